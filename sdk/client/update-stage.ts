// Stages of an update. Names: Temporal's.

export const WorkflowUpdateStage = {
  ADMITTED: 'ADMITTED',
  /** The stage that `startUpdate` waits for. */
  ACCEPTED: 'ACCEPTED',
  COMPLETED: 'COMPLETED',
  /** @deprecated */
  UNSPECIFIED: undefined,
} as const;
export type WorkflowUpdateStage = NonNullable<(typeof WorkflowUpdateStage)[keyof typeof WorkflowUpdateStage]>;
