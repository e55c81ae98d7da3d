// The workflow of BM-10 passes every kind of moment at which a worker can die: activities at once, an idle wait for
// signals, a timer, children, and activities again.
import {
  condition,
  defineContext,
  defineSignal,
  executeChild,
  forEach,
  proxyActivities,
  setHandler,
  setWorkflowOptions,
  sleep,
  workflowInfo,
} from 'reprise/workflow';
import type * as activities from './activities.ts';
import { childStages, type JourneyState, notesAwaited, stagesAtOnce, stagesEach } from './journey-plan.ts';

const { work } = proxyActivities<typeof activities>({
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: 1, backoffCoefficient: 1 },
});
const stageMs = 15;
const journal = defineContext<JourneyState>({ values: {}, notes: [], children: [] });
const note = defineSignal<[number]>('note');

/** `inTheNextBuild`: what a later version of the code does in addition. */
export async function journey(inTheNextBuild?: () => Promise<unknown>): Promise<JourneyState> {
  setHandler(note, (value) => {
    journal.patch({ op: 'append', path: '/notes', value });
  });
  await pass(0);
  await condition(() => journal.state.notes.length >= notesAwaited);
  await sleep(150);
  const children = childStages.map((stage) =>
    executeChild('journeyChild', { workflowId: `${workflowInfo().workflowId} child ${stage}`, args: [stage] }),
  );
  journal.patch({ op: 'replace', path: '/children', value: (await Promise.all(children)) as number[] });
  await inTheNextBuild?.();
  await pass(stagesEach);
  return journal.state;
}

setWorkflowOptions({ checkpoint: { every: { patches: 1 } } }, journey);

export async function journeyChild(stage: number): Promise<number> {
  return work(stage, stageMs, null);
}

/** Waits for ever, so that its worker evicts it when another run needs the place. */
export async function idle(): Promise<void> {
  await condition(() => false);
}

async function pass(first: number): Promise<void> {
  const stages = Array.from({ length: stagesEach }, (_, i) => first + i);
  await forEach(
    stages,
    async (stage) => {
      const value = await work(stage, stageMs, null);
      journal.patch({ op: 'add', path: `/values/${stage}`, value }, { source: 'tool', reason: `stage ${stage}` });
    },
    { concurrency: stagesAtOnce },
  );
}
