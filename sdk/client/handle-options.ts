// Options of handles and of waiting for a result. Names: Temporal's.

export interface WorkflowResultOptions {
  /** Whether to wait for the successors of the run; default true. */
  readonly followRuns?: boolean;
}

export interface GetWorkflowHandleOptions extends WorkflowResultOptions {
  /** Restricts the handle to the chain that started with this run, whatever runs the workflow id has had since. */
  readonly firstExecutionRunId?: string | undefined;
}
