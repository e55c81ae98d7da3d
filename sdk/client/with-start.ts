// The start of an update-with-start. Names: Temporal's (spec/sdk.md behavior 20).
import { IllegalStateError, RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import type { Workflow } from './execution-info.ts';
import type { WorkflowIdConflictPolicy } from './id-policies.ts';
import type { WorkflowStartOptions } from './new-run.ts';
import type { WorkflowHandle } from './workflow-handle.ts';

export type WithStartWorkflowOptions<W extends Workflow> = Omit<
  WorkflowStartOptions<W>,
  'startDelay' | 'cronSchedule' | 'transaction'
> & {
  /** Required, because an update-with-start needs a decision about an open run. */
  workflowIdConflictPolicy: WorkflowIdConflictPolicy;
};

/** The start of one update-with-start. An operation can be used once. */
export class WithStartWorkflowOperation<W extends Workflow = Workflow> {
  readonly #handle = Promise.withResolvers<WorkflowHandle<W>>();
  #isUsed = false;
  readonly workflow: W | string;
  readonly options: WithStartWorkflowOptions<W>;

  /** @throws INVALID_INPUT */
  constructor(workflow: W | string, options: WithStartWorkflowOptions<W>) {
    this.#handle.promise.catch(() => undefined); // no unhandled rejection; workflowHandle() still rejects
    this.workflow = workflow;
    this.options = options;
    if (options.workflowIdConflictPolicy === undefined) {
      throw new RuntimeError(
        'INVALID_INPUT',
        'WithStartWorkflowOperation needs a workflowIdConflictPolicy: FAIL, USE_EXISTING or TERMINATE_EXISTING.',
      );
    }
    for (const delaying of ['startDelay', 'cronSchedule'] as const) {
      if ((options as Record<string, unknown>)[delaying] === undefined) continue;
      throw new RuntimeError('INVALID_INPUT', `An update with start cannot be delayed: leave ${delaying} out.`);
    }
    if ((options as { transaction?: unknown }).transaction !== undefined) {
      throw new RuntimeError(
        'INVALID_INPUT',
        'An update with start cannot be part of a transaction: no worker can handle the update before the transaction commits. Leave transaction out.',
      );
    }
  }

  /** The run that was started or that received the update. Rejects when there is none. */
  workflowHandle(): Promise<WorkflowHandle<W>> {
    return this.#handle.promise;
  }

  /** @internal @throws ILLEGAL_STATE when the operation was used before */
  async use(start: () => Promise<WorkflowHandle<W>>): Promise<WorkflowHandle<W>> {
    if (this.#isUsed) {
      throw new IllegalStateError('This WithStartWorkflowOperation was used before. Create a new one for each update.');
    }
    this.#isUsed = true;
    try {
      const handle = await start();
      this.#handle.resolve(handle);
      return handle;
    } catch (error) {
      this.#handle.reject(error);
      throw error;
    }
  }
}
