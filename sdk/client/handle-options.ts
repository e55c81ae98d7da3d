// Options of handles and of waiting for a result, as clients and handles take them. Names: Temporal's.

export interface WorkflowResultOptions {
  /** Whether to wait for the runs that the run continues as; default true. */
  readonly followRuns?: boolean;
}

export interface GetWorkflowHandleOptions extends WorkflowResultOptions {
  /** Only runs of the chain that began with this run are meant, whatever runs the workflow id has had since. */
  readonly firstExecutionRunId?: string | undefined;
}
