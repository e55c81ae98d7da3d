// Tries patches that come with carried results: the document at the point of a fork may differ from the one that they
// were made for. Pure.
import { RuntimeError } from '../failure/runtime-error.ts';
import { applyAll, asItIs, type Holder, holderOf } from '../json/json-patch.ts';
import type { Op } from '../json/operation.ts';

export class ContextTrial {
  #holder: Holder = holderOf(null);

  /** `patches`: the operations of the recorded patches up to the point, as JSON texts. */
  constructor(patches: Iterable<string>) {
    for (const ops of patches) applyAll(this.#holder, JSON.parse(ops) as Op[], asItIs);
  }

  /** Applies all of these patches, or none when one of them does not apply. */
  apply(patches: readonly (string | null)[]): boolean {
    const tried = holderOf(this.#holder['']);
    try {
      for (const ops of patches) applyAll(tried, JSON.parse(ops ?? '[]') as Op[], asItIs);
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'CONTEXT_PATCH_INVALID') return false;
      throw error;
    }
    this.#holder = tried;
    return true;
  }
}
