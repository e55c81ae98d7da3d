// What people read when workflow code left its history: the event, the command, where it was asked for, what differs, what
// to do. One format for all kinds; the parts that only a second look gives are left out when there was none.
import type { Divergence, DivergenceKind } from '../../core/log/activation.ts';
import type { NewEvent, HistoryEvent } from '../../core/log/event.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import { valueDifferences } from '../../core/json/value-difference.ts';
import { describe } from './determinism.ts';

/** What is known once the history was replayed again with its commands traced. */
export interface DivergenceFacts {
  /** Where the code waits instead, when it asked for nothing. */
  readonly waits?: readonly string[];
  /** The last events that the code did follow. */
  readonly previous?: readonly HistoryEvent[];
}

const changes: Readonly<Record<DivergenceKind, string>> = {
  type: 'The code asks for another kind of thing here.',
  name: 'The code asks for another one here.',
  id: 'It is the same thing with another id.',
  answers: 'It is meant for another event.',
  order: 'The code asks for the same things in another order.',
  removed: 'The code no longer asks for what the history holds.',
  added: 'The code asks for something that the history does not hold.',
  patch: 'It is another patch of the context.',
};

const replaced =
  "keep the code as it was for open runs: if (patched('a-name-for-this-change')) { new code } else { old code }";
const remedies: Readonly<Record<DivergenceKind, string>> = {
  type: replaced,
  name: replaced,
  id: 'give it the id that it had',
  answers: replaced,
  order: replaced,
  removed: "keep it for open runs: if (!patched('a-name-for-this-change')) { what was removed }",
  added: "leave it out in open runs: if (patched('a-name-for-this-change')) { what was added }",
  patch: replaced,
};

export function divergenceText(divergence: Divergence, facts: DivergenceFacts = {}): string {
  const { kind, recorded, produced, place } = divergence;
  const event = recorded ?? produced;
  const expected = recorded === undefined ? 'nothing more in this turn' : describe(recorded);
  const got = produced === undefined ? 'nothing more in this turn' : describe(produced);
  const parts = [
    `Nondeterminism error at event ${event?.seq} (${event?.type}): the history holds ${expected}, but the workflow code produced ${got}.`,
    changes[kind],
    ...(place === undefined ? [] : [`Asked for at: ${place}`]),
    ...list('The code waits at:', facts.waits ?? []),
    ...list('Events before it, which the code followed:', (facts.previous ?? []).map(eventText)),
    ...list('What differs in the arguments (a hint, they are not compared):', argumentDifferences(divergence)),
    ...list('What differs in the operations:', operationDifferences(divergence)),
    `What to do: ${remedies[kind]}; or deploy the code that wrote the history until its runs have ended; or, if the code did not change, look for a query handler that changed what the workflow goes by.`,
  ];
  return parts.join('\n');
}

function list(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}

/** Also inputs, which no comparison describes. */
function eventText(event: HistoryEvent): string {
  const text = describe(event);
  if (text !== event.type) return `${event.seq} ${text}`;
  const name = event.name === null ? '' : ` '${event.name}'`;
  return `${event.seq} ${event.type}${name}${event.answers === null ? '' : ` of event ${event.answers}`}`;
}

function isSameThing(recorded: NewEvent, produced: NewEvent): boolean {
  return recorded.type === produced.type && recorded.name === produced.name;
}

function argumentDifferences({ recorded, produced }: Divergence): string[] {
  if (recorded === undefined || produced === undefined || !isSameThing(recorded, produced)) return [];
  if (recorded.payload === null || produced.payload === null) return [];
  return valueDifferences(decodePayload(recorded.payload), decodePayload(produced.payload));
}

function operationDifferences({ kind, recorded, produced }: Divergence): string[] {
  if (kind !== 'patch' || recorded === undefined || produced === undefined) return [];
  const parts = (event: NewEvent): unknown => ({
    source: event.source,
    sourceId: event.sourceId,
    ops: JSON.parse(event.ops ?? '[]') as unknown,
  });
  return valueDifferences(parts(recorded), parts(produced));
}
