// The message for workflow code that diverged from its history: the event, the command, where the code issued it, the
// difference, the remedy. One format for all kinds. Parts that only a second replay can find are left out when no
// second replay ran.
import type { Divergence, DivergenceKind } from '../../core/log/activation.ts';
import type { NewEvent, HistoryEvent } from '../../core/log/event.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import { valueDifferences } from '../../core/json/value-difference.ts';
import { describe } from './determinism.ts';

/** Facts from a second replay that traces commands. */
export interface DivergenceFacts {
  /** Where the code waits, when it issued no command. */
  readonly waits?: readonly string[];
  /** The last events that the code followed. */
  readonly previous?: readonly HistoryEvent[];
}

const changes: Readonly<Record<DivergenceKind, string>> = {
  type: 'The code issues another kind of command here.',
  name: 'The code issues the same kind of command with another name.',
  id: 'The command is the same but has another id.',
  answers: 'The command answers another event.',
  order: 'The code issues the same commands in another order.',
  removed: 'The code no longer issues the command that the history holds.',
  added: 'The code issues a command that the history does not hold.',
  patch: 'The context patch is different.',
};

const replaced =
  "keep the code as it was for open runs: if (patched('a-name-for-this-change')) { new code } else { old code }";
const remedies: Readonly<Record<DivergenceKind, string>> = {
  type: replaced,
  name: replaced,
  id: 'give it its recorded id',
  answers: replaced,
  order: replaced,
  removed: "keep it for open runs: if (!patched('a-name-for-this-change')) { the removed code }",
  added: "leave it out in open runs: if (patched('a-name-for-this-change')) { the added code }",
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
    ...(place === undefined ? [] : [`Issued at: ${place}`]),
    ...list('The code waits at:', facts.waits ?? []),
    ...list('Events before it, which the code followed:', (facts.previous ?? []).map(eventText)),
    ...list('Differences in the arguments (a hint: arguments are not compared):', argumentDifferences(divergence)),
    ...list('Differences in the operations:', operationDifferences(divergence)),
    `What to do: ${remedies[kind]}; or deploy the code that wrote the history until its runs have ended; or, if the code did not change, look for a query handler that changes state of the workflow.`,
  ];
  return parts.join('\n');
}

function list(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}

/** Includes inputs, which `describe` does not cover. */
function eventText(event: HistoryEvent): string {
  const text = describe(event);
  if (text !== event.type) return `${event.seq} ${text}`;
  const name = event.name === null ? '' : ` '${event.name}'`;
  return `${event.seq} ${event.type}${name}${event.answers === null ? '' : ` of event ${event.answers}`}`;
}

function isSameCommand(recorded: NewEvent, produced: NewEvent): boolean {
  return recorded.type === produced.type && recorded.name === produced.name;
}

function argumentDifferences({ recorded, produced }: Divergence): string[] {
  if (recorded === undefined || produced === undefined || !isSameCommand(recorded, produced)) return [];
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
