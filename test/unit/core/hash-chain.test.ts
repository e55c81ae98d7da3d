// The hash chain: what it covers, that every change of a log is found and located, and that SQL computes the same.
import assert from 'node:assert/strict';
import { createHash, hash, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { contextSources, type EventType, eventCode, type HistoryEvent } from '../../../runtime/core/log/event.ts';
import { type ChainEvent, turnHash } from '../../../runtime/core/log/hash-chain.ts';
import { testSeed } from '../../support/random.ts';
import { verifyChain } from '../../support/verify-chain.ts';

const runId = '0193b1a2-3c4d-7e5f-8a6b-9c0d1e2f3a4b';
const noHash = new Uint8Array(0);

function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

const text = fc.option(fc.string({ unit: 'binary', maxLength: 40 }), { nil: null });
const column = fc.record({
  type: fc.constantFrom(...(Object.keys(eventCode) as EventType[])),
  at: fc.integer({ min: -1_000_000_000_000_000, max: 4_000_000_000_000_000 }),
  name: text,
  answers: fc.option(fc.integer({ min: 1, max: 0x7fffffff }), { nil: null }),
  attempt: fc.option(fc.integer({ min: 1, max: 0x7fff }), { nil: null }),
  source: fc.option(fc.constantFrom(...contextSources), { nil: null }),
  sourceId: text,
  reason: text,
  correlationId: text,
  ops: fc.option(fc.json(), { nil: null }),
  payload: fc.option(fc.uint8Array({ maxLength: 100 }), { nil: null }),
  meta: fc.option(fc.json(), { nil: null }),
  endsTurn: fc.boolean(),
});

const chain = fc.array(column, { minLength: 1, maxLength: 20 }).map((columns): HistoryEvent[] => {
  const events: HistoryEvent[] = [];
  let head: Uint8Array = noHash;
  let turn: ChainEvent[] = [];
  for (const [index, { endsTurn, ...rest }] of columns.entries()) {
    const event: ChainEvent = { seq: index + 1, ...rest };
    turn.push(event);
    if (endsTurn || index === columns.length - 1) {
      head = turnHash(head, runId, turn, sha256);
      turn = [];
      events.push({ ...event, hash: head });
    } else {
      events.push({ ...event, hash: null });
    }
  }
  return events;
});

/** An independent, slow implementation of the canonical bytes. */
function plainTurnHash(previous: Uint8Array, events: readonly ChainEvent[]): Uint8Array {
  const sum = createHash('sha256').update(previous);
  const int = (value: number, bytes: 2 | 4): void => {
    const field = Buffer.alloc(bytes);
    field.writeIntBE(value, 0, bytes);
    sum.update(field);
  };
  for (const event of events) {
    sum.update(Buffer.from(runId.replaceAll('-', ''), 'hex'));
    int(event.seq, 4);
    int(eventCode[event.type], 2);
    const at = Buffer.alloc(8);
    at.writeBigInt64BE(BigInt(event.at) - 946_684_800_000_000n);
    sum.update(at);
    int(event.answers ?? 0, 4);
    int(event.attempt ?? 0, 2);
    for (const field of [event.name, event.source, event.sourceId, event.reason, event.correlationId]) {
      int(field === null ? -1 : Buffer.byteLength(field), 4);
      if (field !== null) sum.update(field);
    }
    for (const content of [event.ops, event.payload, event.meta]) {
      sum.update(Uint8Array.of(content === null ? 0 : 1));
      if (content !== null) sum.update(createHash('sha256').update(content).digest());
    }
  }
  return sum.digest();
}

test('the hash is the sha256 of the previous hash and the canonical bytes', () => {
  fc.assert(
    fc.property(
      fc.array(column, { minLength: 1, maxLength: 8 }),
      fc.uint8Array({ maxLength: 32 }),
      (columns, previous) => {
        const events = columns.map((rest, index) => ({ seq: index + 1, ...rest }));
        assert.deepEqual(Buffer.from(turnHash(previous, runId, events, sha256)), plainTurnHash(previous, events));
      },
    ),
  );
});

test('contents larger than the buffer are hashed completely', () => {
  const large = 'ä'.repeat(100_000);
  const event = {
    seq: 1,
    type: 'ContextPatched',
    at: 0,
    name: large,
    answers: null,
    attempt: null,
    source: null,
  } as const;
  const rest = {
    sourceId: null,
    reason: large,
    correlationId: null,
    ops: JSON.stringify(large),
    payload: null,
    meta: large,
  };
  const events = [{ ...event, ...rest }];
  assert.deepEqual(Buffer.from(turnHash(noHash, runId, events, sha256)), plainTurnHash(noHash, events));
});

test('a run id that is not a UUID is rejected', () => {
  for (const id of ['', 'run', runId.slice(1), `${runId}0`, runId.replace('a', 'g')]) {
    assert.throws(() => turnHash(noHash, id, [], sha256), /is not a UUID/);
  }
});

test('an unchanged chain verifies and returns its head', () => {
  fc.assert(
    fc.property(chain, (events) => {
      assert.deepEqual(verifyChain(runId, events, sha256), { ok: true, head: events.at(-1)?.hash });
    }),
  );
});

test('the chain of one run is not valid for another', () => {
  fc.assert(
    fc.property(chain, (events) => {
      assert.equal(verifyChain('0193b1a2-3c4d-7e5f-8a6b-9c0d1e2f3a4c', events, sha256).ok, false);
    }),
  );
});

/** Last seq of the turn that contains the event at `index`. */
function turnEnd(events: readonly HistoryEvent[], index: number): number {
  return events.findIndex((event, at) => at >= index && event.hash !== null) + 1;
}

const types = Object.keys(eventCode) as EventType[];

/** One changed event per column. */
function edits(event: HistoryEvent): HistoryEvent[] {
  const texts = ['name', 'sourceId', 'reason', 'correlationId', 'ops', 'meta'] as const;
  return [
    ...texts.flatMap((key) => [
      { ...event, [key]: `${event[key] ?? ''}x` },
      { ...event, [key]: event[key] === null ? '' : null },
    ]),
    { ...event, at: event.at + 1 },
    { ...event, type: event.type === types[0] ? 'WorkflowFailed' : 'WorkflowStarted' },
    { ...event, answers: (event.answers ?? 0) + 1 },
    { ...event, attempt: ((event.attempt ?? 0) + 1) % 0x7fff },
    { ...event, source: event.source === null ? 'user' : null },
    { ...event, payload: event.payload === null ? new Uint8Array(0) : Uint8Array.of(...event.payload, 0) },
    { ...event, payload: event.payload === null ? Uint8Array.of(0) : null },
  ];
}

test('an edit of any column of any event is found and located by turn', () => {
  fc.assert(
    fc.property(chain, fc.nat(), (events, pick) => {
      const index = pick % events.length;
      for (const edited of edits(events[index] as HistoryEvent)) {
        const verdict = verifyChain(runId, events.with(index, edited), sha256);
        assert.ok(!verdict.ok);
        assert.equal(verdict.seq, turnEnd(events, index));
        assert.match(verdict.problem, /does not match its hash/);
      }
    }),
  );
});

test('an altered hash is found, and a hash recomputed after an edit breaks the next turn', () => {
  fc.assert(
    fc.property(chain, chain, (before, after) => {
      const last = before.length - 1;
      const forged: HistoryEvent = { ...(before[last] as HistoryEvent), hash: new Uint8Array(32) };
      const verdict = verifyChain(runId, before.with(last, forged), sha256);
      assert.ok(!verdict.ok && verdict.seq === before.length);

      // Events of two runs joined: the second part's first turn does not follow the first part.
      const joined = [...before, ...after.map((event) => ({ ...event, seq: event.seq + before.length }))];
      const second = verifyChain(runId, joined, sha256);
      assert.ok(!second.ok && second.seq === before.length + turnEnd(after, 0));
    }),
  );
});

test('a missing event is reported by its seq', () => {
  fc.assert(
    fc.property(chain, fc.nat(), (events, pick) => {
      fc.pre(events.length > 1);
      const index = pick % (events.length - 1);
      const verdict = verifyChain(runId, events.toSpliced(index, 1), sha256);
      assert.deepEqual(verdict, { ok: false, seq: index + 1, problem: `event ${index + 1} is missing` });
    }),
  );
});

test('an added event and a wrong seq are found at their place', () => {
  fc.assert(
    fc.property(chain, fc.nat(), (events, pick) => {
      const index = pick % events.length;
      const event = events[index] as HistoryEvent;
      const doubled = verifyChain(runId, events.toSpliced(index, 0, event), sha256);
      assert.equal(doubled.ok, false);
      const renumbered = verifyChain(runId, events.with(index, { ...event, seq: event.seq + 7 }), sha256);
      assert.ok(!renumbered.ok && renumbered.seq === index + 1);
    }),
  );
});

test('a newly started run has no hash yet', () => {
  const [start] = fc.sample(column, { numRuns: 1, seed: testSeed });
  assert.ok(start !== undefined);
  const { endsTurn: _, ...columns } = start;
  const started = { seq: 1, ...columns, type: 'WorkflowStarted' as const, hash: null };
  assert.deepEqual(verifyChain(runId, [started], sha256), { ok: true, head: noHash });
});

test('a turn without its end is reported as unhashed, and an empty log as without a first event', () => {
  fc.assert(
    fc.property(chain, (events) => {
      const last = events.at(-1) as HistoryEvent;
      fc.pre(last.seq > 1 || last.type !== 'WorkflowStarted');
      const verdict = verifyChain(runId, events.with(-1, { ...last, hash: null }), sha256);
      assert.ok(!verdict.ok && verdict.seq === events.length);
      assert.match(verdict.problem, /has no hash/);
    }),
  );
  assert.deepEqual(verifyChain(randomUUID(), [], sha256), { ok: false, seq: 1, problem: 'event 1 is missing' });
});
