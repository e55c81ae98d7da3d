// The tree of related runs, from rows in any order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type LineageRow, type LineageRun, lineageTree } from '../../../runtime/core/run/lineage-tree.ts';

let clock = 0;

function row(runId: string, columns: Partial<LineageRow> = {}): LineageRow {
  return {
    runId,
    workflowId: 'order',
    workflowType: 'order',
    status: 'completed',
    startedAt: new Date(clock++),
    closedAt: undefined,
    forkedFrom: undefined,
    forkedSeq: undefined,
    start: {},
    takenOverBy: undefined,
    isReplay: false,
    forkVerb: undefined,
    forkActor: undefined,
    forkReason: undefined,
    closeReason: undefined,
    ...columns,
  };
}

const parent = (runId: string, seq: number): Partial<LineageRow> => ({
  start: { parent: { workflowId: 'order', runId, seq } },
});
const after = (continuedFrom: string, attempt?: number): Partial<LineageRow> => ({
  start: attempt === undefined ? { continuedFrom } : { continuedFrom, attempt },
});
const fork = (forkedFrom: string, forkedSeq: number): Partial<LineageRow> => ({ forkedFrom, forkedSeq });
const shown = (runs: readonly LineageRun[]): string[] =>
  runs.map(({ runId, relation, depth }) => `${' '.repeat(depth)}${runId} ${relation}`);

test('each run is followed by what branched off from it, and then by its successor', () => {
  const rows = [
    row('a', { status: 'continued_as_new' }),
    row('a-child', parent('a', 5)),
    row('a-fork', fork('a', 9)),
    row('b', { status: 'failed', ...after('a') }),
    row('c', after('b', 2)),
    row('d', after('c')),
    row('fork-of-fork', fork('a-fork', 11)),
  ];
  const tree = ['a start', ' a-child child', ' a-fork fork', '  fork-of-fork fork', 'b continued', 'c retry', 'd cron'];
  assert.deepEqual(shown(lineageTree(rows, () => true)), tree);
  assert.deepEqual(shown(lineageTree(rows.toReversed(), () => true)), tree);
});

test('trees that do not hold a selected run are left out', () => {
  const rows = [row('a'), row('b'), row('b-fork', fork('b', 3))];
  assert.deepEqual(shown(lineageTree(rows, ({ runId }) => runId === 'b-fork')), ['b start', ' b-fork fork']);
});

test('a fork that only replays is told apart from one that goes on', () => {
  const rows = [row('a'), row('a-fork', fork('a', 3)), row('a-replay', { ...fork('a', 4), isReplay: true })];
  assert.deepEqual(shown(lineageTree(rows, () => true)), ['a start', ' a-fork fork', ' a-replay replay']);
});

test('a run whose origin is missing begins a tree and still names its origin', () => {
  const [run] = lineageTree([row('a', fork('gone', 7))], () => true);
  assert.deepEqual([run?.depth, run?.relation, run?.from, run?.fromSeq], [0, 'fork', 'gone', 7]);
});

test('a chain of 20,000 runs stays on one level', () => {
  const rows = [row('0')];
  for (let i = 1; i < 20_000; i++) rows.push(row(String(i), after(String(i - 1))));
  const tree = lineageTree(rows, () => true);
  assert.deepEqual([tree.length, Math.max(...tree.slice(-1_000).map(({ depth }) => depth))], [20_000, 0]);
});

test('every run of a family is listed once, behind the run that it came from', () => {
  const relations = fc.array(fc.tuple(fc.nat(), fc.nat(2), fc.nat(50)), { maxLength: 40 });
  fc.assert(
    fc.property(relations, (given) => {
      const rows = [row('0')];
      for (const [index, [before, kind, seq]] of given.entries()) {
        const from = String(before % rows.length);
        rows.push(row(String(index + 1), [fork(from, seq), parent(from, seq), after(from)][kind]));
      }
      const tree = lineageTree(rows, ({ runId }) => runId === '0');
      const place = new Map(tree.map(({ runId }, index) => [runId, index]));
      assert.equal(place.size, rows.length);
      assert.equal(tree.length, rows.length);
      for (const [index, { from, relation, depth }] of tree.entries()) {
        if (from === undefined) continue;
        const origin = place.get(from)!;
        assert.ok(origin < index);
        const isBranch = relation === 'fork' || relation === 'child';
        assert.equal(depth, tree[origin]!.depth + (isBranch ? 1 : 0));
      }
    }),
  );
});
