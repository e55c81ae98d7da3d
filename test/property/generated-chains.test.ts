// Invariant 10 over generated runs and forks: a log with any column of any event changed, with events removed, added or
// in another order, is found, and the fault names the turn.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { ChainVerifier } from '../../runtime/core/log/chain-verifier.ts';
import { contextSources, eventCode, type EventType, type HistoryEvent } from '../../runtime/core/log/event.ts';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { sha256 } from '../../runtime/store/codec/sha256.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { cases, plan } from '../support/memory/drawn-program.ts';
import { forked } from '../support/memory/memory-fork.ts';
import type { MemoryRun } from '../support/memory/memory-run.ts';
import { continued, played } from '../support/memory/schedule.ts';

const sandbox = Sandbox.create(loadBundle(await fixtureBundle('generated-workflow.ts')));

type Column = Exclude<keyof HistoryEvent, 'seq'>;
const columns: readonly Column[] = [
  ...(['type', 'at', 'name', 'answers', 'attempt', 'source', 'sourceId', 'reason', 'correlationId'] as const),
  ...(['ops', 'payload', 'meta', 'hash'] as const),
];
const types = Object.keys(eventCode) as EventType[];

interface Edit {
  readonly kind: 'change' | 'remove' | 'swap' | 'repeat' | 'renumber';
  readonly column: Column;
  readonly pick: number;
  readonly byte: number;
  readonly bit: number;
}
const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('change' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('remove' as const, 'swap' as const, 'repeat' as const, 'renumber' as const),
    },
  ),
  column: fc.constantFrom(...columns),
  ...{ pick: fc.nat(), byte: fc.nat(), bit: fc.nat(7) },
});

function flippedText(text: string, { byte, bit }: Edit): string {
  const at = byte % Math.max(1, text.length);
  return text.slice(0, at) + String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << (bit % 5))) + text.slice(at + 1);
}

function flippedBytes(bytes: Uint8Array, { byte, bit }: Edit): Uint8Array {
  const copy = Uint8Array.from(bytes.length === 0 ? [0] : bytes);
  copy[byte % copy.length]! ^= 1 << bit;
  return copy;
}

/** The event with another value in one column. A column that is null gets a value, and some values become null. */
function changed(event: HistoryEvent, given: Edit): HistoryEvent {
  const { column, byte } = given;
  const value = event[column];
  const becomesNull = value !== null && byte % 5 === 0;
  switch (column) {
    case 'type':
      return { ...event, type: types[(types.indexOf(event.type) + 1 + (byte % (types.length - 1))) % types.length]! };
    case 'at':
      return { ...event, at: event.at + (byte % 2 === 0 ? -1 : 1) * (1 + (byte % 1_000)) };
    case 'answers':
    case 'attempt':
      return { ...event, [column]: becomesNull ? null : (event[column] ?? 0) + 1 + (byte % 9) };
    case 'source': {
      const others = contextSources.filter((source) => source !== event.source);
      return { ...event, source: becomesNull ? null : others[byte % others.length]! };
    }
    case 'payload':
    case 'hash':
      return { ...event, [column]: becomesNull ? null : flippedBytes(event[column] ?? new Uint8Array(32), given) };
    default:
      return { ...event, [column]: becomesNull ? null : flippedText(event[column] ?? '', given) };
  }
}

/** The edited log, and the seq of the first event that differs. */
function edited(events: readonly HistoryEvent[], given: Edit): { log: HistoryEvent[]; at: number } {
  const index = given.pick % events.length;
  const event = events[index]!;
  const log = [...events];
  switch (given.kind) {
    case 'remove':
      log.splice(index, 1);
      break;
    case 'swap': {
      const next = (index + 1) % events.length;
      [log[index], log[next]] = [log[next]!, event];
      return { log, at: Math.min(event.seq, events[next]!.seq) };
    }
    case 'repeat':
      log.splice(index, 0, event);
      return { log, at: event.seq + 1 };
    case 'renumber':
      // What was a gap is closed again.
      return {
        log: log.flatMap((each, i) => (i === index ? [] : i < index ? [each] : [{ ...each, seq: each.seq - 1 }])),
        at: event.seq,
      };
    default:
      log[index] = changed(event, given);
  }
  return { log, at: event.seq };
}

/** The first fault of a log, or the difference of its head from the one that is known. */
function faultOf({ live }: MemoryRun, log: readonly HistoryEvent[]): number | undefined {
  const line = live.state.line ?? [];
  const first = (line.at(-1)?.last ?? 0) + 1;
  const chain = new ChainVerifier([...line, { runId: live.runId, first, last: 2_147_483_647 }], sha256);
  for (const event of log) {
    const fault = chain.take(event);
    if (fault !== undefined) return fault.seq;
  }
  const fault = chain.finish();
  if (fault !== undefined) return fault.seq;
  const isSame = chain.seq === live.state.seq && Buffer.from(chain.head).equals(live.state.hash);
  return isSame ? undefined : chain.seq + 1;
}

/**
 * The first and the last event of the turn that holds the edit. An edit that takes away the end of a turn joins it with
 * the next one, and a turn that is gone without a gap shows in the next one.
 */
function turnOf(events: readonly HistoryEvent[], at: number, isJoined: boolean): { first: number; last: number } {
  const ends = events.flatMap(({ seq, hash }) => (hash === null ? [] : [seq]));
  const later = ends.filter((seq) => seq >= at);
  return { first: (ends.findLast((seq) => seq < at) ?? 0) + 1, last: later[isJoined ? 1 : 0] ?? later[0] ?? at };
}

it('every edit of a log is found, and the fault names the turn of the first edited event', async () => {
  await fc.assert(
    fc.asyncProperty(
      plan,
      fc.option(fc.nat(), { freq: 2 }),
      fc.array(edit, { minLength: 40, maxLength: 40 }),
      async (drawn, forkAt, edits) => {
        const chain = await played(sandbox, drawn);
        let run = chain.at(-1)!;
        if (forkAt !== null) {
          run = await forked(sandbox, run, { verb: 'fork', pick: forkAt, reapplies: false }, 1);
          await continued(run, []);
        }
        assert.equal(faultOf(run, run.events), undefined);
        for (const each of edits) {
          const { log, at } = edited(run.events, each);
          const fault = faultOf(run, log);
          const isJoined = each.kind === 'renumber' || (each.kind === 'change' && log[at - 1]!.hash === null);
          const { first, last } = turnOf(run.events, at, isJoined && run.events[at - 1]!.hash !== null);
          assert.ok(fault !== undefined && fault >= first && fault <= last, `${JSON.stringify(each)}: ${fault}, ${at}`);
        }
        for (const each of [...chain, run]) each.dispose();
      },
    ),
    cases(300),
  );
});
