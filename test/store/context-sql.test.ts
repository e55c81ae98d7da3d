// The fold of reprise_audit.state_at gives the same result as the fold in TypeScript for every operation, including
// refusals.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { foldOps } from '../support/fold-ops.ts';
import type { Op } from '../../runtime/core/json/operation.ts';
import { formatPointer, type Json, type Members, type Value } from '../../runtime/core/json/json.ts';
import { testDatabase } from '../support/database.ts';
import { testSeed } from '../support/random.ts';
import { rfc6902Cases } from '../unit/core/context-rfc6902-cases.ts';

const { pool } = await testDatabase();

const keys = ['a', 'b', '', '0', '1', '-', 'a/b', 'm~n', '~1', 'é"\\', '__proto__'];
const lastKeys = [...keys, '2', '3', '00', '01', '-1', '+1', ' 1', '1 ', '1.0', '1e0', '99999999999999999999'];
const scalar = fc.oneof(
  fc.constantFrom<Value>(null, true, false, 0, 1, 'x', ''),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: 'grapheme', maxLength: 4 }).filter((text) => !text.includes('\0') && text.isWellFormed()),
);
const { value: json } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc
      .uniqueArray(fc.tuple(fc.constantFrom(...keys), tie('value')), { maxLength: 3, selector: ([key]) => key })
      .map((entries): Members => Object.fromEntries(entries)),
  ),
}));
const walk = fc.array(fc.nat({ max: 7 }), { minLength: 1, maxLength: 3 });
const container = json.filter((value) => typeof value === 'object' && value !== null && Object.keys(value).length > 0);
const mostlyNull = (weight: number) =>
  fc.oneof({ arbitrary: fc.constant(null), weight }, { arbitrary: fc.constantFrom(...lastKeys), weight: 1 });
const plan = fc.record({
  op: fc.constantFrom('add', 'replace', 'remove', 'test', 'move', 'copy'),
  path: walk,
  from: walk,
  value: json,
  middle: mostlyNull(12),
  last: mostlyNull(1),
});
type Plan = typeof plan extends fc.Arbitrary<infer P> ? P : never;

/** The fold also accepts what no writer accepts any longer, such as the key `__proto__`. */
function asStored(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

function walked(document: Json, steps: readonly number[]): [string[], Value] {
  const tokens: string[] = [];
  let node = document as Value;
  for (const step of steps) {
    if (typeof node !== 'object' || node === null) break;
    const names = Object.keys(node);
    const name = names[step % Math.max(1, names.length)];
    if (name === undefined) break;
    tokens.push(name);
    node = (node as Members)[name] as Value;
  }
  return [tokens, node];
}

function opOf(document: Json, { op, path, from, value, middle, last }: Plan): Op {
  const [tokens, node] = walked(document, path);
  if (middle !== null) tokens.splice(Math.max(0, tokens.length - 1), 1, middle);
  if (last !== null) tokens.push(last);
  const [source] = walked(document, from);
  return {
    op,
    path: formatPointer(tokens),
    from: formatPointer(source),
    value: op === 'test' && last === null ? node : asStored(value),
  };
}

test('10,000 random documents: each operation gives the same document or refusal in SQL and in TypeScript', async () => {
  await pool.query(`create function try_op(doc jsonb, op jsonb) returns jsonb language plpgsql as $$
    begin return reprise_audit.apply_op(doc, op); exception when invalid_parameter_value then return null; end $$`);
  const cases = fc.sample(fc.tuple(container, fc.array(plan, { minLength: 1, maxLength: 3 })), {
    numRuns: 10_000,
    seed: testSeed,
  });
  const documents: string[] = [];
  const ops: string[] = [];
  const expected: (Json | undefined)[] = [];
  const runs: { id: string; ops: Op[][]; state: Json }[] = [];
  for (const [raw, plans] of cases) {
    let state = asStored(raw);
    const run = { id: randomUUID(), ops: [[{ op: 'add', path: '', value: state }]] as Op[][], state };
    for (const each of plans) {
      const op = opOf(state, each);
      documents.push(JSON.stringify(state));
      ops.push(JSON.stringify(op));
      try {
        state = foldOps(state, [op]);
        run.ops.push([op]);
        expected.push(state);
      } catch {
        expected.push(undefined);
      }
    }
    run.state = state;
    runs.push(run);
  }
  const { rows } = await pool.query<{ result: Json | null; refused: boolean }>(
    `select r.result, r.result is null as refused
     from unnest($1::jsonb[], $2::jsonb[]) with ordinality as given (doc, op, place)
     cross join lateral (select try_op(doc, op) as result offset 0) r order by place`,
    [documents, ops],
  );
  let accepted = 0;
  for (const [index, { result, refused }] of rows.entries()) {
    const label = `${documents[index]} with ${ops[index]}`;
    assert.equal(refused, expected[index] === undefined, `${label}: SQL ${refused ? 'refuses' : 'accepts'}`);
    if (!refused) {
      accepted += 1;
      assert.deepEqual(result, expected[index], label);
    }
  }
  assert(accepted > 5000);

  await insertPatches(runs);
  const { rows: states } = await pool.query<{ run_id: string; state: Json }>(
    'select run_id, reprise_audit.state_at(run_id) as state from unnest($1::uuid[]) as r (run_id)',
    [runs.map(({ id }) => id)],
  );
  for (const [index, { id, state }] of runs.entries()) assert.deepEqual(states[index], { run_id: id, state });
});

/** One patch per second from 2020-01-01 00:00:01. Seqs start at 1. */
async function insertPatches(runs: readonly { readonly id: string; readonly ops: readonly (readonly Op[])[] }[]) {
  const events = runs.flatMap(({ id, ops }) =>
    ops.map((patch, index) => [id, index + 1, JSON.stringify(patch)] as const),
  );
  await pool.query(
    `insert into reprise.events (run_id, seq, at, type, ops)
     select run, seq, timestamptz '2020-01-01Z' + seq * interval '1 second', 50, ops
     from unnest($1::uuid[], $2::int[], $3::json[]) as e (run, seq, ops)`,
    [events.map(([id]) => id), events.map(([, seq]) => seq), events.map(([, , patch]) => patch)],
  );
}

for (const { name, document, patch, result } of rfc6902Cases) {
  test(`RFC 6902 in SQL: ${name}`, async () => {
    const id = randomUUID();
    await insertPatches([{ id, ops: [[{ op: 'add', path: '', value: document }], patch] }]);
    const state = pool.query<{ state: Json }>('select reprise_audit.state_at($1) as state', [id]);
    if (result === undefined) await assert.rejects(state, { code: '22023' });
    else assert.deepEqual((await state).rows, [{ state: result }]);
  });
}

test('an operation with invalid members is refused', async () => {
  const malformed = [
    {},
    { op: 'add', value: 1 },
    { op: 'add', path: '/a' },
    { op: 'add', path: 'a', value: 1 },
    { op: 'add', path: '/~2', value: 1 },
    { op: 'move', path: '/a' },
    { op: 'set', path: '/a', value: 1 },
    { path: '/a', value: 1 },
  ];
  for (const op of malformed) {
    const query = pool.query(`select reprise_audit.apply_op('{"a": 1}', $1)`, [JSON.stringify(op)]);
    await assert.rejects(query, { code: /^22/ }, JSON.stringify(op));
  }
});

test('the state at a seq or a time is the state after the last patch up to that point', async () => {
  const id = randomUUID();
  await insertPatches([
    { id, ops: [[{ op: 'add', path: '', value: { n: 1 } }], [{ op: 'replace', path: '/n', value: 2 }]] },
  ]);
  const { rows } = await pool.query(
    `select reprise_audit.state_at($1, 0) as before, reprise_audit.state_at($1, 1) as first,
       reprise_audit.state_at($1, 9) as last, reprise_audit.state_at($1, timestamptz '2020-01-01 00:00:01.9Z') as early,
       reprise_audit.state_at($1, timestamptz '2020-01-01 00:00:02Z') as late,
       reprise_audit.state_at($1, timestamptz '2020-01-01 00:00:00Z') as never`,
    [id],
  );
  assert.deepEqual(rows, [
    { before: null, first: { n: 1 }, last: { n: 2 }, early: { n: 1 }, late: { n: 2 }, never: null },
  ]);
});

test('a run without patches has no state', async () => {
  const { rows } = await pool.query(
    'select reprise_audit.state_at($1::uuid) is null as ends, reprise_audit.state_at($1::uuid, now()) is null as now',
    [randomUUID()],
  );
  assert.deepEqual(rows, [{ ends: true, now: true }]);
});
