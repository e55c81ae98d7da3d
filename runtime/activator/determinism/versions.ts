// Version markers: whether a run takes the old or the new code of a change, decided once and recorded in the run's log.
// Source: Temporal's patched and deprecatePatch (behavior 57 in docs/behaviors.md).
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent } from '../../core/log/event.ts';
import type { Command, OpenTurn } from '../run/open-turn.ts';
import { deprecatedMeta } from './determinism.ts';
import type { WorkflowInfo } from '../info/workflow-info.ts';

/**
 * The worker's callback: whether a run takes the new code of a change that it reaches for the first time. On replay the
 * log decides instead.
 */
export type ActivatesChange = (info: WorkflowInfo, id: string) => boolean;

let activates: ActivatesChange | undefined;

/** Call once per vm context. Undefined: every change is active. */
export function installActivation(callback: ActivatesChange | undefined): void {
  activates = callback;
}

class VersionMarker implements Command {
  readonly type = 'VersionMarked';
  readonly name: string;
  readonly #meta: string | null;

  constructor(id: string, meta: string | null) {
    this.name = id;
    this.#meta = meta;
  }

  toEvent(seq: number): NewEvent {
    return newEvent(seq, 'VersionMarked', { name: this.name, meta: this.#meta });
  }
}

export class Versions {
  readonly #turn: OpenTurn;
  /** Ids with a marker in the log or in this turn. */
  readonly #marked = new Set<string>();
  /** Ids that the worker's callback left inactive; undefined before the first. */
  #inactive: Set<string> | undefined;

  constructor(turn: OpenTurn) {
    this.#turn = turn;
  }

  /** True when the marker is recorded already or is recorded now. */
  mark(id: string, deprecated: boolean, run: { readonly info: WorkflowInfo }): boolean {
    if (this.#marked.has(id)) return true;
    // A query records nothing.
    if (!this.#turn.isWritable) return false;
    if (!this.#turn.isReplaying) {
      if (!deprecated && !this.#isActive(id, run)) return false;
      this.#issue(id, deprecated ? deprecatedMeta : null);
      return true;
    }
    // The marker may still follow in a later turn of this replay, so the answer is not cached.
    const recorded = this.#turn.recordedMarker(id);
    if (recorded === undefined) return false;
    this.#issue(id, recorded.meta);
    return true;
  }

  #isActive(id: string, run: { readonly info: WorkflowInfo }): boolean {
    if (activates === undefined) return true;
    if (this.#inactive?.has(id) === true) return false;
    if (activates(run.info, id)) return true;
    this.#inactive ??= new Set();
    this.#inactive.add(id);
    return false;
  }

  #issue(id: string, meta: string | null): void {
    this.#marked.add(id);
    this.#turn.issue(new VersionMarker(id, meta));
  }
}
