// The model calls of a run, read from its log: what each cost, and how often the provider refused it.
import type { WorkflowHandle } from 'reprise/client';

export interface Call {
  readonly id: string;
  readonly costUsd: number;
  /** Messages of the failed attempts. */
  readonly refusals: readonly string[];
}

interface Meta {
  id?: string;
  usage?: { costUsd?: number }[];
}

export async function callsOf(handle: WorkflowHandle): Promise<Call[]> {
  const calls = new Map<number, { id: string; costUsd: number; refusals: string[] }>();
  for (const { seq, type, answers, meta, reason } of await handle.history()) {
    const { id = '', usage = [] } = (meta ?? {}) as Meta;
    if (type === 'ActivityScheduled') calls.set(seq, { id, costUsd: 0, refusals: [] });
    const call = answers === null ? undefined : calls.get(answers);
    if (call === undefined) continue;
    for (const { costUsd = 0 } of usage) call.costUsd += costUsd;
    if (type === 'ActivityAttemptFailed') call.refusals.push(reason ?? '');
  }
  return [...calls.values()];
}
