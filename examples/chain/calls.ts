// The model calls of a run, read from its log: what each cost, and how often the provider refused it.
import type { WorkflowHandle } from 'reprise/client';
import type { ChainInput } from './workflows.ts';

export type StartChain = (id: string, input: ChainInput) => Promise<WorkflowHandle>;

export interface Call {
  readonly id: string;
  readonly costUsd: number;
  /** Number of recorded uses of the model: 1 for a call that was paid once. */
  readonly payments: number;
  /** Messages of the failed attempts. */
  readonly refusals: readonly string[];
}

interface Meta {
  id?: string;
  usage?: { costUsd?: number }[];
}

export async function callsOf(handle: WorkflowHandle): Promise<Call[]> {
  const calls = new Map<number, { id: string; costUsd: number; payments: number; refusals: string[] }>();
  for (const { seq, type, answers, meta, reason } of await handle.history()) {
    const { id = '', usage = [] } = (meta ?? {}) as Meta;
    if (type === 'ActivityScheduled') calls.set(seq, { id, costUsd: 0, payments: 0, refusals: [] });
    const call = answers === null ? undefined : calls.get(answers);
    if (call === undefined) continue;
    for (const { costUsd = 0 } of usage) call.costUsd += costUsd;
    call.payments += usage.length;
    if (type === 'ActivityAttemptFailed') call.refusals.push(reason ?? '');
  }
  return [...calls.values()];
}

export function totalOf(calls: readonly Call[]): string {
  return dollars(calls.reduce((sum, { costUsd }) => sum + costUsd, 0));
}

export function lineOf({ id, refusals, costUsd }: Call): string {
  const count = refusals.length === 1 ? '1 refusal' : `${refusals.length} refusals`;
  const why = refusals.length === 0 ? '' : `  after ${count}: ${refusals[0]}`;
  return `${id.padEnd(28)} ${dollars(costUsd)}${why}`;
}

export function dollars(amount: number): string {
  return `$${amount.toFixed(3)}`;
}
