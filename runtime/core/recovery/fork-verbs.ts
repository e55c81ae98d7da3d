// The verbs that fork a run, and what distinguishes them.
import type { EventType } from '../log/event.ts';

export type ForkVerb = 'fork' | 'replay' | 'reset' | 'recover' | 'rollback' | 'restart' | 'retry' | 'skip';

export interface ForkKind {
  /** The fork goes on in place of the origin, under the same workflow id. The event closes an origin that is open. */
  readonly closesWith: Extract<EventType, 'WorkflowRolledBack' | 'WorkflowRecovered'> | undefined;
  /** A call that the abandoned part also made gets the idempotency key that it had there. */
  readonly keepsKeys: boolean;
  /** Random numbers behind the point differ from those of the origin. */
  readonly changesSeed: boolean;
  /** Whether signals and updates that arrived behind the point are applied again, unless the caller says so. */
  readonly reapplies: boolean;
}

export const forkKinds: Readonly<Record<ForkVerb, ForkKind>> = {
  fork: { closesWith: undefined, keepsKeys: false, changesSeed: true, reapplies: false },
  replay: { closesWith: undefined, keepsKeys: false, changesSeed: false, reapplies: false },
  reset: { closesWith: 'WorkflowRolledBack', keepsKeys: false, changesSeed: false, reapplies: true },
  recover: { closesWith: 'WorkflowRecovered', keepsKeys: true, changesSeed: false, reapplies: true },
  rollback: { closesWith: 'WorkflowRolledBack', keepsKeys: false, changesSeed: true, reapplies: false },
  restart: { closesWith: 'WorkflowRolledBack', keepsKeys: false, changesSeed: true, reapplies: false },
  retry: { closesWith: 'WorkflowRecovered', keepsKeys: true, changesSeed: false, reapplies: true },
  skip: { closesWith: 'WorkflowRecovered', keepsKeys: true, changesSeed: false, reapplies: true },
};
