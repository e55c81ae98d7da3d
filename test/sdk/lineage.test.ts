// Which runs came from each other, from the handle and from the command line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lineage, LineageRun } from 'reprise/client';
import { testEngine } from '../support/engine.ts';
import { Forks } from '../support/forks.ts';
import { reprise } from '../support/reprise-command.ts';

const engine = await testEngine();
const { client, url } = engine;
const forks = new Forks(engine);

const shown = (runs: readonly LineageRun[]): string[] =>
  runs.map(({ depth, workflowType, relation }) => `${' '.repeat(depth)}${workflowType} ${relation}`);

test('children of children stand below the run that started them', async () => {
  const handle = await engine.start('relative', [2], 'family');
  await handle.result();
  const { runs, isComplete } = await handle.lineage();
  assert.deepEqual(shown(runs), ['relative start', ' relative child', '  relative child']);
  assert.ok(isComplete);
  assert.deepEqual(
    runs.map(({ from }) => from),
    [undefined, runs[0]!.runId, runs[1]!.runId],
  );
  const history = await handle.history();
  assert.equal(runs[1]!.fromSeq, history.find(({ type }) => type === 'ChildWorkflowInitiated')?.seq);
  // From a child, the tree holds what came from the child, and names the parent.
  const { runs: below } = await client.workflow.getHandle(runs[1]!.workflowId).lineage();
  assert.deepEqual(shown(below), ['relative child', ' relative child']);
  assert.equal(below[0]!.from, handle.runId);
});

test('continuations and retries stand behind the run before them, on its level', async () => {
  const again = await engine.start('child', ['again'], 'continues');
  await again.result();
  const { runs } = await client.workflow.getHandle('continues').lineage();
  assert.deepEqual(shown(runs), ['child start', 'child continued']);
  assert.deepEqual(
    runs.map(({ status }) => status),
    ['continued_as_new', 'completed'],
  );
  const retry = { maximumAttempts: 3, initialInterval: 1 };
  const options = { workflowId: 'retried', taskQueue: engine.taskQueue, args: ['third time'], retry };
  const retried = await client.workflow.start('child', options);
  await retried.result();
  const lineage = await retried.lineage();
  assert.deepEqual(shown(lineage.runs), ['child start', 'child retry', 'child retry']);
  assert.deepEqual(
    lineage.runs.map(({ attempt }) => attempt),
    [1, 2, 3],
  );
});

test('a handle for a workflow id gives the trees of all its runs, a handle for one run only its own', async () => {
  const first = await engine.start('child', ['done'], 'twice');
  await first.result();
  const second = await engine.start('child', ['done'], 'twice');
  await second.result();
  const ids = async (runId?: string): Promise<string[]> =>
    (await client.workflow.getHandle('twice', runId).lineage()).runs.map((run) => run.runId);
  assert.deepEqual(await ids(), [first.runId, second.runId]);
  assert.deepEqual(await ids(second.runId), [second.runId]);
});

test('a lineage with more runs than the limit says that it is incomplete', async () => {
  const handle = await engine.start('relative', [2], 'limited');
  await handle.result();
  const { runs, isComplete } = await handle.lineage({ limit: 2 });
  assert.deepEqual(shown(runs), ['relative start', ' relative child']);
  assert.equal(isComplete, false);
  await assert.rejects(handle.lineage({ limit: 0 }), { code: 'INVALID_INPUT' });
  await assert.rejects(client.workflow.getHandle('nowhere').lineage(), { name: 'WorkflowNotFoundError' });
});

test('reprise workflow lineage prints the tree, with reasons', async () => {
  const handle = await engine.start('relative', [1], 'printed');
  await handle.result();
  const waiting = await engine.start('listener', [], 'printed');
  await waiting.terminate('not needed');
  const { code, out } = await reprise(['workflow', 'lineage', 'printed'], { url });
  assert.equal(code, 0);
  const [head, , ...rows] = out.trim().split('\n');
  assert.match(head!, /^workflow id +\| run id +\| how +\| status +\| started +\| +took +\| reason$/);
  assert.match(rows[0]!, /^printed +\| \S+ \| start +\| completed +\| 2\S+Z \| +[\d.]+ m?s \|$/);
  assert.match(rows[1]!, /^└─ \S+ +\| \S+ \| child at \d+ +\| completed +\|/);
  assert.match(rows[2]!, /^printed +\| \S+ \| start +\| terminated +\|.*\| not needed$/);
  assert.equal(rows[3], '(3 rows)');
  const cut = await reprise(['workflow', 'lineage', 'printed', '--limit', '1'], { url });
  assert.match(cut.out, /\(1 row\); there are more: use --limit 10\n$/);
  const json = await reprise(['workflow', 'lineage', 'printed', '--json'], { url });
  const lineage = JSON.parse(json.out) as Lineage;
  assert.deepEqual(
    lineage.runs.map(({ depth }) => depth),
    [0, 1, 0],
  );
  assert.equal((await reprise(['workflow', 'lineage', 'printed', '--limit', 'x'], { url })).code, 64);
});

test('forks stand below the run whose history they share, with the point and the reason', async () => {
  const origin = await engine.start('tallyAll', [2, 1], 'forked');
  await origin.result();
  const point = await forks.seqOf(origin.runId!, ({ hash }) => hash !== null);
  const reset = await forks.fork(origin.runId!, point, { reason: 'wrong data' });
  await reset.result();
  const later = await forks.seqOf(reset.runId!, ({ seq, hash }) => hash !== null && seq > point + 2);
  const copy = await forks.fork(reset.runId!, later, { verb: 'fork', workflowId: 'forked-copy', reason: 'to try' });
  await copy.result();
  for (const handle of [client.workflow.getHandle('forked'), origin, copy]) {
    const { runs } = await handle.lineage();
    assert.deepEqual(shown(runs), ['tallyAll start', ' tallyAll fork', '  tallyAll fork']);
    assert.deepEqual(
      runs.map(({ runId, from, fromSeq, reason, takenOverBy }) => [runId, from, fromSeq, reason, takenOverBy]),
      [
        [origin.runId, undefined, undefined, undefined, reset.runId],
        [reset.runId, origin.runId, point, 'wrong data', undefined],
        [copy.runId, reset.runId, later, 'to try', undefined],
      ],
    );
  }
  const { out } = await reprise(['workflow', 'lineage', 'forked'], { url });
  assert.match(out, new RegExp(`^└─ forked +\\| ${reset.runId} +\\| reset at ${point} .*\\| wrong data$`, 'm'));
  assert.match(out, new RegExp(`^ {3}└─ forked-copy +\\| ${copy.runId} +\\| fork at ${later} .*\\| to try$`, 'm'));
});
