// A command: what workflow code asked for in a turn, before the log gives it a place. Only shapes, no behavior of a turn.
import { draft } from '../../core/log/draft.ts';
import type { EventDraft, EventType } from '../../core/log/event.ts';

export interface Command {
  /** The event it will be. */
  readonly type: EventType;
  /** Activity type; null where the event has no name. */
  readonly name: string | null;
  /** Called once, when the turn ends and the command was not undone: the event's place is known. */
  toEvent(seq: number): EventDraft;
}

/** A command that nothing needs to find again. */
export class PlainCommand implements Command {
  readonly type: EventType;
  readonly name = null;
  readonly #columns: Parameters<typeof draft>[2];
  constructor(type: EventType, columns?: Parameters<typeof draft>[2]) {
    this.type = type;
    this.#columns = columns;
  }

  toEvent(seq: number): EventDraft {
    return draft(seq, this.type, this.#columns);
  }
}
