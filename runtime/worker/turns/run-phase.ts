// The phase of a run in memory, and which phase may follow which. Only RunLoop, RunInputs, RunCache and Quarantine
// change it.
//
//   loading ─► idle ─► queued ─► appending ─► idle …       reloading: the code is made again from the log
//                └─► releasing ─► gone                     gone: closed, released, or the incarnation is over
//   A run that fails alone, in any phase: quarantined ─► releasing ─► gone
import { assert } from '../../core/failure/runtime-error.ts';

export type RunPhase = 'loading' | 'reloading' | 'idle' | 'queued' | 'appending' | 'releasing' | 'quarantined' | 'gone';

/** The phases that may follow each phase. Every phase except `gone` may also change to `quarantined` and `gone`. */
const next: Readonly<Record<RunPhase, readonly RunPhase[]>> = {
  loading: ['idle', 'appending', 'releasing'],
  reloading: ['appending'],
  idle: ['queued', 'reloading', 'appending', 'releasing'],
  queued: ['appending', 'reloading'],
  appending: ['idle'],
  /** To `idle` when a sender holds the run's row, so that the run stays. */
  releasing: ['idle'],
  quarantined: ['releasing'],
  gone: [],
};

export const runPhases = Object.keys(next) as readonly RunPhase[];

export function mayFollow(from: RunPhase, to: RunPhase): boolean {
  if (from === 'gone') return false;
  if (to === 'gone') return true;
  if (to === 'quarantined') return from !== 'quarantined';
  return next[from].includes(to);
}

/** @throws ASSERTION_FAILED for a move that the table does not have */
export function assertMove(runId: string, from: RunPhase, to: RunPhase): void {
  assert(mayFollow(from, to), `run ${runId} cannot go from ${from} to ${to}`);
}
