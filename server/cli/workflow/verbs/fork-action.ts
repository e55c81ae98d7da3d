// What the commands that fork a run share: they first list what happened behind the point, ask whether to go on, and then
// say which run goes on.
import { createInterface } from 'node:readline/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { ForkOutcome, ForkPlace, ForkPreview, ForkVerbOptions, WorkflowHandle } from '../../../../sdk/client.ts';
import { jsonText } from '../../json-view.ts';
import { countOf, countRows, formatTable } from '../../table.ts';
import { type RunOptions, withHandle, workflowAction } from '../run-action.ts';
import { userName } from './user-name.ts';

export interface ForkRunOptions extends RunOptions {
  reason?: string;
  actor: string;
  requestId?: string;
  reapply?: boolean;
  executionTimeout?: string;
  allowEffects?: string[];
  yes?: boolean;
  dryRun?: boolean;
}

/** Behind this many events before the point, no CheckpointSaved is looked for. */
const longestTurn = 1_000;

type Verb = 'fork' | 'reset' | 'recover' | 'rollback' | 'restart';

/** A command with the options that all of them take. */
export function forkAction(name: Verb, description: string): Command {
  return workflowAction(name, description)
    .option('--reason <text>', 'why; stands in the log')
    .option('--actor <name>', 'who does it; stands in the log (default: the name of the system user)', userName())
    .option('--request-id <id>', 'makes the command idempotent: repeat it with the same id')
    .option('--reapply', 'apply signals and updates that arrived behind the point again')
    .option('--no-reapply', 'do not apply them again')
    .option('--execution-timeout <duration>', 'a new limit for the whole chain, from now on')
    .option('--allow-effects <types>', 'unsafe activities that may be repeated, separated by commas', listOf)
    .option('--dry-run', 'change nothing: only show the point and what happened behind it')
    .option('--yes', 'do not ask');
}

export function seqOption(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a seq: a whole number from 1.');
}

function listOf(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}

/** The place that the command names; absent options are left out. */
export function placeOf({ to, toSeq, checkpoint }: { to?: string; toSeq?: number; checkpoint?: string }): ForkPlace {
  return {
    ...(to === undefined ? {} : { to }),
    ...(toSeq === undefined ? {} : { toSeq }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
}

/** Lists the effects, asks, and forks. */
export function runFork(
  workflowId: string,
  options: ForkRunOptions,
  { verb, place }: { readonly verb: Verb; readonly place: ForkPlace },
  fork: (handle: WorkflowHandle, options: ForkVerbOptions) => Promise<ForkOutcome>,
): Promise<void> {
  return withHandle(workflowId, options, async (handle) => {
    const preview = await handle.effectsAfter(place, verb);
    if (options.json !== true) {
      const where = await placeText(handle, verb, place, preview.point);
      console.log(`${where}${previewText(preview)}`);
    }
    if (options.dryRun === true) return options.json === true ? console.log(jsonText(preview)) : undefined;
    if (!(await mayGoOn(verb, preview, options))) {
      process.exitCode = 1;
      return console.error('Nothing was changed.');
    }
    const outcome = await fork(handle, verbOptions(options));
    if (options.json === true) return console.log(jsonText(outcome));
    const { runId, seq, applied, isDetached } = outcome;
    const was = applied ? '' : ' (an earlier command with this request id did it)';
    console.log(`${outcome.workflowId} goes on from event ${seq - 1} as run ${runId}${was}`);
    if (isDetached) console.log('The parent has heard of the end of the old run, so the new one reports to nobody.');
  });
}

/** Says where the fork begins when that is not the event that the command names. */
async function placeText(
  handle: WorkflowHandle,
  verb: Verb,
  { toSeq, checkpoint }: ForkPlace,
  point: number,
): Promise<string> {
  if (toSeq !== undefined) {
    if (toSeq === point) return '';
    return `Event ${toSeq} is inside a turn; a fork begins at the end of the turn before, event ${point}.\n`;
  }
  if (checkpoint === undefined && verb !== 'recover') return '';
  const events = await handle.history({ after: Math.max(0, point - longestTurn) });
  const saved = events.findLast(
    ({ type, name }) => type === 'CheckpointSaved' && (checkpoint === undefined || name === checkpoint),
  );
  if (saved === undefined) return ''; // a checkpoint of a person is the end of a turn
  const at = `Checkpoint ${saved.name} is event ${saved.seq}`;
  if (saved.seq > point)
    return `${at}, in the turn that closed the run; a fork begins before that turn, at event ${point}.\n`;
  if (events.some(({ seq, hash }) => seq >= saved.seq && seq < point && hash !== null)) return '';
  return `${at}; a fork begins at the end of its turn, event ${point}.\n`;
}

function previewText({ runId, point, effects }: ForkPreview): string {
  if (effects.length === 0) return `Run ${runId} did nothing behind event ${point}.`;
  const rows = effects.map(({ seq, kind, name, id, state, isUnsafe }) => [
    String(seq),
    kind,
    name,
    id,
    isUnsafe ? `${state}, unsafe` : state,
  ]);
  const table = formatTable(['seq', 'what', 'name', 'id', 'state'], rows, new Set([0]));
  return `Behind event ${point}, run ${runId} did this, which may happen once more:\n${table}\n${countRows(rows.length)}`;
}

async function mayGoOn(verb: Verb, { effects }: ForkPreview, { yes, json }: ForkRunOptions): Promise<boolean> {
  if (yes === true || effects.length === 0 || verb === 'fork') return true;
  if (json === true || !process.stdin.isTTY) {
    console.error(`${verb} may repeat ${countOf(effects.length, 'effect')}. Pass --yes to go on.`);
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test(await terminal.question(`Go on with ${verb}? [y/N] `));
  } finally {
    terminal.close();
  }
}

function verbOptions(options: ForkRunOptions): ForkVerbOptions {
  const { reason, actor, requestId, reapply, executionTimeout, allowEffects } = options;
  return {
    actor,
    ...(reason === undefined ? {} : { reason }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(reapply === undefined ? {} : { reapply }),
    ...(executionTimeout === undefined ? {} : { executionTimeout: executionTimeout as `${number} minutes` }),
    ...(allowEffects === undefined ? {} : { allowEffects }),
  };
}
