// What a run did behind the point of a fork: the effects that the fork does not take back, and may repeat. Pure.
import type { HistoryEvent } from '../log/event.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

export interface Effect {
  /** Seq of the event that asked for it. */
  readonly seq: number;
  readonly kind: 'activity' | 'child' | 'signal' | 'cancel';
  /** Activity type, workflow type or signal name. */
  readonly name: string;
  /** Activity id, or workflow id of the other run. */
  readonly id: string;
  readonly state: 'completed' | 'failed' | 'under way';
  /** An `unsafe` activity of which an attempt has begun. */
  readonly isUnsafe: boolean;
}

const kinds: Partial<Record<HistoryEvent['type'], Effect['kind']>> = {
  ActivityScheduled: 'activity',
  ChildWorkflowInitiated: 'child',
  ExternalSignalInitiated: 'signal',
  ExternalCancelInitiated: 'cancel',
};
const completed = /Completed$|Delivered$/;
const failed = /^(Activity|ChildWorkflow)(Failed|TimedOut|Cancelled|Terminated|StartFailed)$|^External\w+Failed$/;

/** `tail`: the events behind the point, in order. */
export function effectsIn(tail: readonly HistoryEvent[]): Effect[] {
  const effects = new Map<number, Effect>();
  for (const { seq, type, name, answers, correlationId, meta } of tail) {
    const kind = kinds[type];
    if (kind !== undefined) {
      const id = kind === 'activity' ? (JSON.parse(meta ?? '{}') as { id?: string }).id : correlationId;
      effects.set(seq, { seq, kind, name: name ?? '', id: id ?? String(seq), state: 'under way', isUnsafe: false });
      continue;
    }
    const effect = answers === null ? undefined : effects.get(answers);
    if (effect === undefined) continue;
    if (type === 'ActivityAttemptStarted') effects.set(effect.seq, { ...effect, isUnsafe: true });
    else if (completed.test(type)) effects.set(effect.seq, { ...effect, state: 'completed' });
    else if (failed.test(type)) effects.set(effect.seq, { ...effect, state: 'failed' });
  }
  return [...effects.values()];
}

/**
 * Refuses a fork that might repeat an `unsafe` activity.
 * @throws UNSAFE_EFFECTS
 */
export function checkUnsafeEffects(runId: string, effects: readonly Effect[], allowed: readonly string[] = []): void {
  const refused = effects.filter(({ isUnsafe, name }) => isUnsafe && !allowed.includes(name));
  if (refused.length === 0) return;
  const names = [...new Set(refused.map(({ name }) => name))];
  const list = refused.map(({ name, seq }) => `${name} (event ${seq})`).join(', ');
  throw new RuntimeError(
    'UNSAFE_EFFECTS',
    `A fork of run ${runId} at this point may repeat unsafe activities that have begun behind it: ${list}. If their effects ` +
      `may happen twice, allow that with allowEffects: ${JSON.stringify(names)}. Nothing was written.`,
    { runId },
  );
}
