// Which earlier runs of a workflow id forbid a new run. Pure: workflow code imports it through the reuse policies.
import type { RunStatus } from '../log/transition.ts';

const wellEnded: readonly RunStatus[] = ['completed', 'continued_as_new'];

/** Statuses of a workflow id's last run that forbid a new run, by reuse policy. */
export const refusedAfter: Readonly<
  Record<
    'ALLOW_DUPLICATE' | 'ALLOW_DUPLICATE_FAILED_ONLY' | 'REJECT_DUPLICATE' | 'TERMINATE_IF_RUNNING',
    readonly RunStatus[]
  >
> = {
  ALLOW_DUPLICATE: [],
  ALLOW_DUPLICATE_FAILED_ONLY: wellEnded,
  REJECT_DUPLICATE: [...wellEnded, 'failed', 'cancelled', 'terminated', 'timed_out', 'rolled_back', 'recovered'],
  TERMINATE_IF_RUNNING: [],
};
