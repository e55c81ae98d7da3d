// The patches of the workflow's context that one attempt of an activity stages. They are sent with the result of the
// attempt, so a failed attempt leaves none. Applies nothing.
import { askedPatch } from '../../core/context/asked-patch.ts';
import type { InputOp } from '../../core/context/context-input.ts';
import type { AskedPatch } from '../../core/context/patch-trial.ts';
import { type Provenance, patchOrigin } from '../../core/context/provenance.ts';
import { IllegalStateError, RuntimeError } from '../../core/failure/runtime-error.ts';

export class StagedPatches {
  readonly #activityType: string;
  readonly #maxBytes: number;
  readonly #patches: AskedPatch[] = [];
  #bytes = 0;

  /** @throws ILLEGAL_STATE in a standalone activity */
  constructor(info: { readonly activityType: string; readonly inWorkflow: boolean }, maxBytes: number) {
    if (!info.inWorkflow) {
      throw new IllegalStateError(
        `Activity ${info.activityType} was started without a workflow, so there is no context to patch.`,
      );
    }
    this.#activityType = info.activityType;
    this.#maxBytes = maxBytes;
  }

  /** Undefined before the first patch. */
  get patches(): readonly AskedPatch[] | undefined {
    return this.#patches.length === 0 ? undefined : this.#patches;
  }

  /** @throws CONTEXT_PATCH_INVALID, INVALID_INPUT, PAYLOAD_TOO_LARGE; then nothing is staged */
  add(ops: InputOp | readonly InputOp[], provenance: Provenance = {}): void {
    const patch = askedPatch(ops, patchOrigin(provenance, { source: 'tool', sourceId: this.#activityType }));
    const bytes = this.#bytes + Buffer.byteLength(patch.ops);
    if (bytes > this.#maxBytes) {
      throw new RuntimeError(
        'PAYLOAD_TOO_LARGE',
        `The patches that activity ${this.#activityType} staged would have ${bytes} bytes, the limit is ` +
          `${this.#maxBytes}. Pass a reference to the data, or raise maxPayloadBytes.`,
      );
    }
    this.#bytes = bytes;
    this.#patches.push(patch);
  }
}

/** JSON text for the database; null without patches. */
export function stagedText(patches: readonly AskedPatch[] | undefined): string | null {
  return patches === undefined ? null : JSON.stringify(patches);
}
