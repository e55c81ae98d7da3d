// How far an update has come. Names: Temporal's.

export const WorkflowUpdateStage = {
  ADMITTED: 'ADMITTED',
  /** What `startUpdate` waits for. */
  ACCEPTED: 'ACCEPTED',
  COMPLETED: 'COMPLETED',
  /** @deprecated */
  UNSPECIFIED: undefined,
} as const;
export type WorkflowUpdateStage = NonNullable<(typeof WorkflowUpdateStage)[keyof typeof WorkflowUpdateStage]>;
