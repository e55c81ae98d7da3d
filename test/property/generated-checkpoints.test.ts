// Invariant 8 over generated runs and forks of forks: with any checkpoints kept, deleted, damaged or moved to another run
// of the line, the context at every seq is the one that the recorded patches give.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { RunState } from '../../runtime/core/run/run-state.ts';
import { foldContext } from '../../runtime/replay/context/state-at.ts';
import { recordedState } from '../../runtime/replay/context/patch-only.ts';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { newestValid, writeCheckpoint } from '../../runtime/store/checkpoints/checkpoints.ts';
import { insertEvents } from '../../runtime/store/runs/fork-rows.ts';
import { withSession } from '../../runtime/store/sql/transaction.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { cases, plan, turnPlan } from '../support/memory/drawn-program.ts';
import { forked } from '../support/memory/memory-fork.ts';
import type { MemoryRun } from '../support/memory/memory-run.ts';
import { continued, played } from '../support/memory/schedule.ts';
import { testStore } from '../support/store.ts';

const sandbox = Sandbox.create(loadBundle(await fixtureBundle('generated-workflow.ts')));
const store = await testStore();
const { database, pool } = store;
let used = 0;

interface Fault {
  readonly kind: 'delete' | 'state' | 'state_hash' | 'log_hash' | 'context_seq' | 'patches' | 'bytes' | 'move';
  readonly pick: number;
  readonly byte: number;
  readonly mask: number;
}
const fault: fc.Arbitrary<Fault> = fc.record({
  kind: fc.constantFrom(
    ...(['delete', 'state', 'state_hash', 'log_hash', 'context_seq', 'patches', 'bytes', 'move'] as const),
  ),
  ...{ pick: fc.nat(), byte: fc.nat({ max: 1_000 }), mask: fc.integer({ min: 1, max: 255 }) },
});
const fork = fc.record({ pick: fc.nat(), turns: fc.array(turnPlan, { maxLength: 3 }) });

interface Row {
  readonly runId: string;
  readonly seq: number;
}

/** Stores the own events of a run, with a checkpoint wherever its code had a context at the end of a turn. */
async function stored({ live, events, seen }: MemoryRun): Promise<Row[]> {
  const { runId, state } = live;
  const first = (state.line?.at(-1)?.last ?? 0) + 1;
  await withSession(database.pool, (client) => insertEvents(client, database.schema, runId, events.slice(first - 1)));
  const rows: Row[] = [];
  for (const [seq, { document }] of seen) {
    const until = events.slice(0, seq);
    const { contextSeq } = RunState.of(runId, until);
    if (contextSeq === 0) continue;
    const plain = Buffer.from(JSON.stringify(document));
    await writeCheckpoint(database, {
      ...{ runId, seq, logHash: until.at(-1)!.hash!, contextSeq, name: undefined, trigger: 'automatic' },
      ...{ state: zstdCompressSync(plain), bytes: plain.length, progress: undefined, worker: undefined, pinned: false },
      patches: until.filter(({ type }) => type === 'ContextPatched').length,
    });
    rows.push({ runId, seq });
  }
  return rows;
}

async function damage(row: Row, to: string, { kind, byte, mask }: Fault): Promise<void> {
  const one = 'where run_id = $1 and seq = $2';
  const given = [row.runId, row.seq];
  if (kind === 'delete') await pool.query(`delete from reprise.checkpoints ${one}`, given);
  else if (kind === 'move') {
    await pool.query(
      `update reprise.checkpoints set run_id = $3 ${one} and not exists (
  select from reprise.checkpoints other where other.run_id = $3 and other.seq = $2)`,
      [...given, to],
    );
  } else if (kind === 'state' || kind === 'state_hash' || kind === 'log_hash') {
    await pool.query(
      `update reprise.checkpoints set ${kind} = set_byte(${kind}, $3 % octet_length(${kind}),
  get_byte(${kind}, $3 % octet_length(${kind})) # $4) ${one}`,
      [...given, byte, mask],
    );
  } else
    await pool.query(`update reprise.checkpoints set ${kind} = greatest(0, ${kind} - $3) ${one}`, [...given, mask]);
}

async function assertStates(run: MemoryRun, from: number): Promise<void> {
  const source = run.history();
  for (let seq = from; seq <= source.head; seq++) {
    const expected = await recordedState(source, seq);
    const { holder, patches } = await foldContext(database, run.live.runId, seq);
    assert.deepEqual(
      [patches, patches === 0 ? undefined : holder['']],
      [expected.patches, expected.state],
      `at ${seq}`,
    );
  }
  const { cached } = await newestValid(database, run.live.runId, source.head);
  if (cached !== undefined) used += 1;
}

it('with any checkpoints deleted or damaged, the context at every seq is the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      plan,
      fc.array(fork, { maxLength: 2 }),
      fc.array(fault, { maxLength: 6 }),
      async (drawn, forks, faults) => {
        const line = [(await played(sandbox, drawn)).at(-1)!];
        for (const [number, { pick, turns }] of forks.entries()) {
          const made = await forked(sandbox, line.at(-1)!, { verb: 'reset', pick, reapplies: true }, number);
          await continued(made, turns);
          line.push(made);
        }
        await pool.query('delete from reprise.events');
        await pool.query('delete from reprise.checkpoints');
        const rows: Row[] = [];
        for (const run of line) rows.push(...(await stored(run)));
        for (const each of rows.length === 0 ? [] : faults) {
          await damage(rows[each.pick % rows.length]!, line[each.byte % line.length]!.live.runId, each);
        }
        for (const [i, run] of line.entries()) {
          // The last fork passes every checkpoint of its line; its origins differ from it only at their ends.
          await assertStates(run, i === line.length - 1 ? 1 : run.events.length);
          run.dispose();
        }
      },
    ),
    cases(200),
  );
  assert.ok(used > 0, 'no fold began at a checkpoint');
});
