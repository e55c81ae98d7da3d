// Invariant 6 over generated runs: at every seq, the recorded patches, the code on recorded results and the live run give
// the same context document.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from '../../runtime/core/json/canonical-json.ts';
import type { Json } from '../../runtime/core/json/json.ts';
import { isOutput } from '../../runtime/core/log/event.ts';
import { mockTools, mockToolsReport } from '../../runtime/replay/mock/mock-tools.ts';
import { recordedState } from '../../runtime/replay/context/patch-only.ts';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { cases, plan, turnPlan } from '../support/memory/drawn-program.ts';
import { MemoryRun } from '../support/memory/memory-run.ts';
import { played, playedFrom } from '../support/memory/schedule.ts';

const sandbox = Sandbox.create(loadBundle(await fixtureBundle('generated-workflow.ts')));
const nextBuild = Sandbox.create(loadBundle(await fixtureBundle('generated-next.ts')));

/** The document of the recorded patches at each seq. */
async function assertSameDocuments(run: MemoryRun): Promise<void> {
  const source = run.history();
  const documents: (Json | undefined)[] = [];
  for (let to = 1; to <= source.head; to++) {
    const expected = await recordedState(source, to);
    const replayed = mockToolsReport(await mockTools(source, run.sandbox, { to }), expected, 0);
    assert.deepEqual(replayed.divergences, [], `up to ${to}`);
    assert.deepEqual([replayed.success, replayed.stateHash], [true, expected.hash]);
    assert.deepEqual(replayed.state, expected.state);
    documents[to] = expected.state;
  }
  for (const [end, { document, looks }] of run.seen) {
    assert.deepEqual(documents[end], document);
    if (looks.length > 0) assert.deepEqual(changes(looks), changes(documentsOfTurn(run, end, documents)));
  }
}

/** The document before the code ran, and those that its patches made. */
function documentsOfTurn({ events }: MemoryRun, end: number, documents: readonly (Json | undefined)[]): Json[] {
  const first = events.findLast(({ seq, hash }) => seq < end && hash !== null)?.seq ?? 0;
  const outputs = events.filter((event) => event.seq > first && event.seq <= end && isOutput(event));
  const before = (outputs[0]?.seq ?? end + 1) - 1;
  const after = outputs.flatMap(({ type, seq }) => (type === 'ContextPatched' ? [seq] : []));
  return [before, ...after].flatMap((seq) => documents[seq] ?? []);
}

/** The documents as texts, without those that equal the one before. */
function changes(documents: readonly Json[]): string[] {
  const texts = documents.map(canonicalJson);
  return texts.filter((text, i) => text !== texts[i - 1]);
}

it('recorded patches, replayed code and the live run give the same document at every seq', async () => {
  await fc.assert(
    fc.asyncProperty(plan, async (drawn) => {
      for (const run of await played(sandbox, drawn)) {
        await assertSameDocuments(run);
        run.dispose();
      }
    }),
    cases(400),
  );
});

it('the documents stay the same at every seq when a build with a higher context version takes over', async () => {
  let migrated = 0;
  await fc.assert(
    fc.asyncProperty(plan, fc.nat(), fc.array(turnPlan, { maxLength: 6 }), async (drawn, choice, turns) => {
      const [run] = await played(sandbox, drawn);
      const ends = run!.events.flatMap(({ seq, hash }) => (hash === null ? [] : [seq]));
      const upTo = ends.length < 2 ? 1 : ends[choice % (ends.length - 1)]!;
      const taken = new MemoryRun(nextBuild, run!.live.runId, run!.events.slice(0, upTo));
      for (const each of await playedFrom(taken, { turns, finishes: true })) {
        await assertSameDocuments(each);
        if (each.events.some(({ type, meta }) => type === 'ContextPatched' && meta === '{"version":2}')) migrated += 1;
        each.dispose();
      }
      run!.dispose();
    }),
    cases(200),
  );
  assert.ok(migrated > 0, 'no run was migrated');
});
