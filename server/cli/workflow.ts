// `reprise workflow list|show|state|patches`: lists runs, and shows what the log says about a run. Needs no worker and
// no workflow code.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { toCanonicalString } from '../../runtime/core/run/deployment.ts';
import { type ContextSource, contextSources } from '../../runtime/core/log/event.ts';
import {
  type HistoryRecord,
  type PatchRecord,
  type StatePoint,
  type WorkflowExecutionDescription,
  type WorkflowExecutionInfo,
  type WorkflowHandle,
} from '../../sdk/client.ts';
import { newCommand } from './command.ts';
import { type CommonOptions, newClientAction, withClient } from './command-client.ts';
import { jsonText } from './json-view.ts';
import { countRows, formatTable } from './table.ts';

interface RunOptions extends CommonOptions {
  run?: string;
}

const detailWidth = 100;
const listPageMax = 1_000;

export function workflowCommand(): Command {
  return newCommand('workflow', 'Look at workflows.')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(stateCommand())
    .addCommand(patchesCommand());
}

function listCommand(): Command {
  return newClientAction('list', 'List runs, newest first.')
    .option(
      '--query <query>',
      `for example "ExecutionStatus = 'Running' AND WorkflowType = 'order'"; may use search attributes`,
    )
    .option('--limit <n>', 'maximum number of runs', listLimit, 20)
    .action((options: CommonOptions & { query?: string; limit: number }) =>
      withClient(options, async (client) => {
        const { query, limit } = options;
        const runs: WorkflowExecutionInfo[] = [];
        // Reads one run more than it shows, to know whether there are more.
        const pageSize = Math.min(limit + 1, listPageMax);
        for await (const run of client.workflow.list({ ...(query === undefined ? {} : { query }), pageSize })) {
          if (runs.push(run) > limit) break;
        }
        const shown = runs.slice(0, limit);
        if (options.json === true) return console.log(jsonText(shown));
        const more = runs.length > limit ? `; there are more: use --limit ${limit * 10}` : '';
        console.log(`${runsText(shown)}${more}`);
      }),
    );
}

function showCommand(): Command {
  return workflowAction('show', 'Show a run and its last events.')
    .option('--events <n>', 'number of last events, or "all"', eventCount, 20)
    .action((workflowId: string, options: RunOptions & { events: number }) =>
      withHandle(workflowId, options, async (handle) => {
        const run = await handle.describe();
        const length = run.historyLength;
        const after = Math.max(0, length - options.events);
        const events = after === length ? [] : await lastEvents(handle, run, after);
        if (options.json === true) return console.log(jsonText({ run, events }));
        const cut = after === 0 ? '' : `last ${events.length} of ${length} events; use --events all for all of them\n`;
        console.log(`${runText(run)}\n\n${cut}${eventsText(events)}`);
      }),
    );
}

/** The last events. Returns none for a run in quarantine whose log cannot be read, so that the rest is still shown. */
async function lastEvents(
  handle: WorkflowHandle,
  { historyLength: upTo, quarantine }: WorkflowExecutionDescription,
  after: number,
): Promise<HistoryRecord[]> {
  try {
    return await handle.history({ after, upTo });
  } catch (error) {
    if (quarantine === undefined) throw error;
    console.error(`the events cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

function stateCommand(): Command {
  return workflowAction('state', "Show the context document, now or at a point of the run's history.")
    .option('--at <point>', 'a seq or a time such as 2026-01-31T12:00:00Z (inclusive)')
    .action((workflowId: string, options: RunOptions & { at?: string }) =>
      withHandle(workflowId, options, async (handle) => {
        const point = pointOf(options.at);
        const result = await handle.stateAt(point);
        if ('seq' in point) {
          const { historyLength } = await handle.describe();
          if (point.seq > historyLength) console.error(`the run ends at seq ${historyLength}`);
        }
        if (options.json === true) return console.log(jsonText(result));
        if (result.state === undefined) console.log('The run has no context document there.');
        else console.log(`${jsonText(result.state, 2)}\n(seq ${result.seq}, ${result.patches} patches)`);
      }),
    );
}

function patchesCommand(): Command {
  return workflowAction('patches', 'List context patches in order: who, when, why, what.')
    .option('--path <pointer>', 'only patches at, above or below this JSON Pointer')
    .addOption(new Option('--source <source>', 'only patches of this source').choices(contextSources))
    .option('--source-id <id>', 'only patches of this tool, agent, model or person')
    .action((workflowId: string, options: RunOptions & { path?: string; source?: ContextSource; sourceId?: string }) =>
      withHandle(workflowId, options, async (handle) => {
        const { path, source, sourceId } = options;
        const patches = await handle.patches({
          ...(path === undefined ? {} : { path }),
          ...(source === undefined ? {} : { source }),
          ...(sourceId === undefined ? {} : { sourceId }),
        });
        console.log(options.json === true ? jsonText(patches) : patchesText(patches));
      }),
    );
}

function workflowAction(name: string, description: string): Command {
  return newClientAction(name, description)
    .argument('<id>', 'workflow id; shows its latest run')
    .option('--run <runId>', 'a certain run instead');
}

function withHandle(
  workflowId: string,
  options: RunOptions,
  action: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  return withClient(options, (client) => action(client.workflow.getHandle(workflowId, options.run)));
}

function listLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number from 1.');
}

function eventCount(text: string): number {
  if (text === 'all') return Number.POSITIVE_INFINITY;
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number, or "all".');
}

function pointOf(at: string | undefined): StatePoint {
  if (at === undefined) return {};
  return /^\d+$/.test(at) ? { seq: Number(at) } : { time: at };
}

function runsText(runs: readonly WorkflowExecutionInfo[]): string {
  const rows = runs.map((run) => [
    run.status.name.toLowerCase(),
    run.workflowId,
    run.type,
    run.startTime.toISOString(),
    run.closeTime?.toISOString() ?? null,
  ]);
  return `${formatTable(['status', 'workflow id', 'type', 'started', 'closed'], rows)}\n${countRows(runs.length)}`;
}

function runText(run: WorkflowExecutionDescription): string {
  const rows: [string, string | undefined][] = [
    ['workflow id', run.workflowId],
    ['run id', run.runId],
    ['type', run.type],
    ['status', run.status.name.toLowerCase()],
    ['task queue', run.taskQueue],
    ['started', run.startTime.toISOString()],
    ['closed', run.closeTime?.toISOString()],
    ['events', String(run.historyLength)],
    ['attributes', membersText(run.searchAttributes)],
    ['memo', membersText(run.memo ?? {})],
    ...openRows(run),
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(12)} ${value}`])).join('\n');
}

function membersText(members: object): string | undefined {
  return Object.keys(members).length === 0 ? undefined : jsonText(members);
}

/** Rows that only an open run has: which worker has it, and what it waits for. */
function openRows(run: WorkflowExecutionDescription): [string, string | undefined][] {
  if (run.closeTime !== undefined) return [];
  return [
    ['worker', run.owner === undefined ? 'none' : `epoch ${run.owner}`],
    ['pollers', String(run.pollers)],
    ['version', versionText(run)],
    ['next wake', run.nextWakeTime?.toISOString()],
    ['unread mail', String(run.unreadMail)],
    ...run.pendingActivities.map((activity): [string, string] => [
      'activity',
      `${activity.type} (seq ${activity.seq}, attempt ${activity.attempt})` +
        `${activity.unknownEffect ? ', effect unknown: it began, and the log has no end' : ''}${activity.lastFailure === null ? '' : `; last failure: ${activity.lastFailure}`}`,
    ]),
    ...taskFailureRows(run.taskFailure),
    ...quarantineRows(run.quarantine),
  ];
}

function quarantineRows(quarantine: WorkflowExecutionDescription['quarantine']): [string, string | undefined][] {
  if (quarantine === undefined) return [];
  const { code, cause, attempt, message, since, nextAttempt } = quarantine;
  return [
    ['quarantine', `${code} (attempt ${attempt}): ${cause}: ${message.replaceAll('\n', `\n${' '.repeat(13)}`)}`],
    ['since', since.toISOString()],
    ['next attempt', nextAttempt.toISOString()],
  ];
}

function taskFailureRows(failure: WorkflowExecutionDescription['taskFailure']): [string, string | undefined][] {
  if (failure === undefined) return [];
  const { code, cause, attempt, message, place, nextAttempt } = failure;
  return [
    ['task failure', `${code} (attempt ${attempt}): ${message.replaceAll('\n', `\n${' '.repeat(13)}`)}`],
    ['cause', cause],
    ['failed at', place],
    ['next attempt', nextAttempt.toISOString()],
  ];
}

function versionText({ versioningInfo: info }: WorkflowExecutionDescription): string | undefined {
  if (info?.deploymentVersion === undefined) return info?.behavior?.toLowerCase();
  const version = toCanonicalString(info.deploymentVersion);
  return info.behavior === undefined ? version : `${version} (${info.behavior.toLowerCase()})`;
}

function eventsText(events: readonly HistoryRecord[]): string {
  const rows = events.map((event) => [
    String(event.seq),
    event.at.toISOString(),
    event.type,
    event.name,
    event.answers === null ? null : String(event.answers),
    event.attempt === null ? null : String(event.attempt),
    detailOf(event),
  ]);
  return formatTable(['seq', 'at', 'event', 'name', 'answers', 'attempt', 'detail'], rows, new Set([0, 4, 5]));
}

function detailOf(event: HistoryRecord): string | null {
  const who = [event.source, event.sourceId].filter((part) => part !== null).join(' ');
  const what = event.ops ?? event.payload;
  const parts = [who, event.reason, what === null ? null : jsonText(what)].filter(
    (part) => part !== null && part !== '',
  );
  const text = parts.join(' · ').replaceAll('\n', ' ');
  return text.length <= detailWidth ? text : `${text.slice(0, detailWidth - 1)}…`;
}

function patchesText(patches: readonly PatchRecord[]): string {
  const rows = patches.map((patch) => [
    String(patch.seq),
    patch.at.toISOString(),
    [patch.source, patch.sourceId].filter((part) => part !== null).join(' '),
    patch.reason,
    patch.ops.map((op) => jsonText(op)).join(' '),
  ]);
  return `${formatTable(['seq', 'at', 'who', 'why', 'operations'], rows, new Set([0]))}\n${countRows(patches.length)}`;
}
