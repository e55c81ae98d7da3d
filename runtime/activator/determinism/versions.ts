// Version markers: which of two codes a run has taken, decided once and kept in its log. Source: Temporal's patched and
// deprecatePatch (spec/sdk.md behavior 57).
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent } from '../../core/log/event.ts';
import type { Command, OpenTurn } from '../run/open-turn.ts';
import { deprecatedMeta } from './determinism.ts';
import type { WorkflowInfo } from '../info/workflow-info.ts';

/**
 * Whether a run takes the code behind a change that it comes to for the first time; given by the worker. On replay nobody
 * is asked: the log says.
 */
export type ActivatesChange = (info: WorkflowInfo, id: string) => boolean;

let activates: ActivatesChange | undefined;

/** To be called once a context; undefined: every change is active. */
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
  /** Ids with a marker in the log, or in this turn. */
  readonly #marked = new Set<string>();
  /** Ids that this worker was told to leave inactive; made when there are any. */
  #inactive: Set<string> | undefined;

  constructor(turn: OpenTurn) {
    this.#turn = turn;
  }

  /** True when the marker is there, or is made now. */
  mark(id: string, deprecated: boolean, run: { readonly info: WorkflowInfo }): boolean {
    if (this.#marked.has(id)) return true;
    // A query decides nothing.
    if (!this.#turn.isWritable) return false;
    if (!this.#turn.isReplaying) {
      if (!deprecated && !this.#isActive(id, run)) return false;
      this.#issue(id, deprecated ? deprecatedMeta : null);
      return true;
    }
    // What is not marked yet may be, once this replay has come to its end: nothing is remembered.
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
