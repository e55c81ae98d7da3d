// What a worker asks workflow code before it gives seqs to a turn: whether patches from outside apply, and whether the
// document must be migrated. Only the code holds the document and its schema. Types only.
import type { ErrorCode } from '../failure/runtime-error.ts';
import type { TaskFailure } from '../log/activation.ts';
import type { ContextSource } from '../log/event.ts';

/** A patch of a person or an activity that the code has not accepted yet. */
export interface AskedPatch {
  /** JSON text of a list of InputOp. */
  readonly ops: string;
  readonly source: ContextSource;
  readonly sourceId: string;
  readonly reason: string | null;
}

/** `ops`: JSON text of RFC 6902 operations, one text for each patch. */
export type PatchVerdict =
  | { readonly ok: true; readonly ops: readonly string[] }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

/** The columns of the patch that brings the document to the version of the code. */
export interface MigrationPatch {
  readonly ops: string;
  readonly sourceId: string;
  readonly reason: string;
  readonly meta: string;
}

/** A failed trial fails the workflow task: the code cannot work on this document. */
export type PatchTrial =
  | {
      readonly ok: true;
      readonly migration: MigrationPatch | undefined;
      /** One for each group, in order. */
      readonly verdicts: readonly PatchVerdict[];
    }
  | { readonly ok: false; readonly failure: TaskFailure };
