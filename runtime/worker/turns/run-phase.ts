// What a run in memory is at, and which phase may follow which. Only RunLoop, RunInputs, RunCache and Quarantine move runs.
//
//   loading ─► idle ─► queued ─► appending ─► idle …       reloading: the code is made again from the log
//                └─► releasing ─► gone                     gone: closed, released, or the incarnation is over
//   A run that fails alone, in any phase: quarantined ─► releasing ─► gone
import { assert } from '../../core/failure/runtime-error.ts';

export type RunPhase = 'loading' | 'reloading' | 'idle' | 'queued' | 'appending' | 'releasing' | 'quarantined' | 'gone';

/** The phases that may follow each phase. Every phase but the last may also end in `quarantined` and `gone`. */
const next: Readonly<Record<RunPhase, readonly RunPhase[]>> = {
  loading: ['idle', 'appending', 'releasing'],
  reloading: ['appending'],
  idle: ['queued', 'reloading', 'appending', 'releasing'],
  queued: ['appending', 'reloading'],
  appending: ['idle'],
  /** `idle`: a sender holds the run's row, so the run stays. */
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
