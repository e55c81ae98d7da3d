// The events of version markers, and what stands for one that code asks for no more.
import type { VersionMeta } from '../../core/log/activation.ts';
import { draft } from '../../core/log/draft.ts';
import type { EventDraft, HistoryEvent } from '../../core/log/event.ts';
import type { Command } from '../run/command.ts';

export const deprecatedMeta: string = JSON.stringify({ deprecated: true } satisfies VersionMeta);

export function isDeprecatedMarker(event: Pick<EventDraft, 'type' | 'meta'>): boolean {
  return event.type === 'VersionMarked' && event.meta === deprecatedMeta;
}

export class VersionMarker implements Command {
  readonly type = 'VersionMarked';
  readonly name: string;
  readonly #meta: string | null;

  constructor(id: string, meta: string | null) {
    this.name = id;
    this.#meta = meta;
  }

  toEvent(seq: number): EventDraft {
    return draft(seq, 'VersionMarked', { name: this.name, meta: this.#meta });
  }
}

/** Stands for a recorded marker that the code asks for no more: it keeps its place, so that all others keep theirs. */
export class PassedMarker implements Command {
  readonly type = 'VersionMarked';
  readonly name: string | null;
  readonly #event: HistoryEvent;

  constructor(event: HistoryEvent) {
    this.name = event.name;
    this.#event = event;
  }

  toEvent(seq: number): EventDraft {
    return draft(seq, 'VersionMarked', { name: this.name, meta: this.#event.meta });
  }
}
