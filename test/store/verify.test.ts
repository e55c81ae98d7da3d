// reprise_audit.verify and verifyChain give the same verdict on a log, whether it is intact or was tampered with.
import assert from 'node:assert/strict';
import { hash, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { contextSources, type EventType, eventCode, type HistoryEvent } from '../../runtime/core/log/event.ts';
import { type ChainEvent, turnHash } from '../../runtime/core/log/hash-chain.ts';
import { verifyChain } from '../support/verify-chain.ts';
import { testDatabase } from '../support/database.ts';

const { pool } = await testDatabase();

function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

/** Text that Postgres accepts: it has no NUL. */
const text = fc.option(
  fc.string({ unit: 'binary', maxLength: 40 }).map((value) => value.replaceAll('\0', '')),
  { nil: null },
);
const columns = fc.record({
  type: fc.constantFrom(...(Object.keys(eventCode) as EventType[])),
  at: fc.integer({ min: 0, max: 4_000_000_000_000_000 }),
  name: text,
  answers: fc.option(fc.integer({ min: 1, max: 0x7fffffff }), { nil: null }),
  attempt: fc.option(fc.integer({ min: 1, max: 0x7fff }), { nil: null }),
  source: fc.option(fc.constantFrom(...contextSources.filter((source) => source !== 'user')), { nil: null }),
  sourceId: text,
  reason: text,
  correlationId: text,
  ops: fc.option(fc.json(), { nil: null }),
  payload: fc.option(fc.uint8Array({ maxLength: 100 }), { nil: null }),
  meta: fc.option(fc.json(), { nil: null }),
  endsTurn: fc.boolean(),
});

function chained(runId: string, drawn: readonly (Omit<ChainEvent, 'seq'> & { endsTurn: boolean })[]): HistoryEvent[] {
  let head: Uint8Array = new Uint8Array(0);
  let turn: ChainEvent[] = [];
  return drawn.map(({ endsTurn, ...rest }, index) => {
    const event: ChainEvent = { seq: index + 1, ...rest };
    turn.push(event);
    if (!endsTurn && index < drawn.length - 1) return { ...event, hash: null };
    head = turnHash(head, runId, turn, sha256);
    turn = [];
    return { ...event, hash: head };
  });
}

async function store(runId: string, events: readonly HistoryEvent[]): Promise<void> {
  for (const event of events) {
    await pool.query(
      `insert into reprise.events (run_id, seq, type, at, name, answers, attempt, source, source_id, reason,
         correlation_id, ops, payload, meta, hash)
       values ($1, $2, $3, timestamptz 'epoch' + $4::text::interval, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
      [
        ...[runId, event.seq, eventCode[event.type], `${event.at} microseconds`, event.name, event.answers],
        ...[event.attempt, event.source, event.sourceId, event.reason, event.correlationId, event.ops],
        ...[event.payload, event.meta, event.hash],
      ],
    );
  }
}

const tampering: readonly ((events: HistoryEvent[], index: number) => HistoryEvent[])[] = [
  (events) => events,
  (events, index) => events.toSpliced(index, 1),
  (events, index) => events.toSpliced(index, 2),
  (events, index) => events.map((event, at) => (at === index ? { ...event, name: `${event.name}x` } : event)),
  (events, index) => events.map((event, at) => (at === index ? { ...event, at: event.at + 1 } : event)),
  (events, index) => events.map((event, at) => (at === index ? { ...event, ops: `${event.ops ?? 1} ` } : event)),
  (events, index) => events.map((event, at) => (at === index ? { ...event, payload: Uint8Array.of(1, 2, 3) } : event)),
  (events, index) => events.map((event, at) => (at === index ? { ...event, hash: new Uint8Array(32) } : event)),
  (events, index) => events.map((event, at) => (at === index ? { ...event, hash: null } : event)),
  (events, index) => events.map((event, at) => (at >= index ? { ...event, seq: event.seq + 3 } : event)),
  (events) => events.map((event) => ({ ...event, seq: event.seq - 1 })),
];

async function verdictOfSql(runId: string): Promise<{ ok: boolean; seq: number; problem: string | null }> {
  const { rows } = await pool.query('select ok, seq, problem from reprise_audit.verify($1)', [runId]);
  return rows[0];
}

test('SQL and TypeScript agree on the first fault of any log', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(columns, { minLength: 1, maxLength: 8 }),
      fc.constantFrom(...tampering),
      fc.nat(),
      async (drawn, tamper, pick) => {
        const runId = randomUUID();
        const events = tamper(chained(runId, drawn), pick % drawn.length);
        await store(runId, events);
        const ours = verifyChain(runId, events, sha256);
        const expected = ours.ok
          ? { ok: true, seq: events.length, problem: null }
          : { ok: false, seq: ours.seq, problem: ours.problem };
        assert.deepStrictEqual(await verdictOfSql(runId), expected);
      },
    ),
    { numRuns: 300 },
  );
});

test('every fault of a log is listed, not only the first', async () => {
  const runId = randomUUID();
  const drawn = fc.sample(columns, { numRuns: 6, seed: 1 }).map((event) => ({ ...event, endsTurn: true }));
  const events = chained(runId, drawn);
  await store(
    runId,
    events.map((event) => (event.seq === 2 || event.seq === 5 ? { ...event, name: 'edited' } : event)),
  );
  const { rows } = await pool.query('select ok, seq from reprise_audit.verify($1)', [runId]);
  assert.deepStrictEqual(rows, [
    { ok: false, seq: 2 },
    { ok: false, seq: 5 },
  ]);
});
