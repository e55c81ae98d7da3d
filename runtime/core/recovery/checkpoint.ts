// Words about checkpoints that several rooms share: their triggers, the version of their format, and why one is
// rejected. A checkpoint is a cached state of a context at the end of a turn; the log alone is the truth.

/** The format of stored states: JSON text, compressed with zstd. */
export const checkpointSchemaVersion = 1;

export type CheckpointTrigger = 'automatic' | 'patches' | 'activities' | 'time' | 'progress' | 'function' | 'manual';

/** A checkpoint that was passed over. Nothing is lost: an earlier one or the whole log gives the same state. */
export interface CheckpointFault {
  readonly runId: string;
  readonly seq: number;
  readonly name: string | undefined;
  readonly problem: string;
}
