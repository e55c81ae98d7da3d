// `reprise workflow show`: a run and its last events.
import { type Command, InvalidArgumentError } from 'commander';
import type { FailureInfo } from '../../../runtime/core/failure/failure-info.ts';
import { toCanonicalString } from '../../../runtime/core/run/deployment.ts';
import type { HistoryRecord, WorkflowExecutionDescription, WorkflowHandle } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { answeredEvents, eventsText } from './event-rows.ts';
import { failureChain, failureLine } from './failure-text.ts';
import { type RunOptions, withHandle, workflowAction } from './run-action.ts';

type ActivityInfo = Extract<FailureInfo, { kind: 'activity' }>;

/** A run without a next wake has one after this time. */
const never = new Date('2255-01-01T00:00:00Z');

export function showCommand(): Command {
  return workflowAction('show', 'Show a run and its last events.')
    .option('--events <n>', 'number of last events, or "all"', eventCount, 20)
    .option('--full', 'do not cut the details of events')
    .action((workflowId: string, options: RunOptions & { events: number; full?: boolean }) =>
      withHandle(workflowId, options, async (handle) => {
        const run = await handle.describe();
        const length = run.historyLength;
        const after = Math.max(0, length - options.events);
        const events = after === length ? [] : await lastEvents(handle, run, after);
        if (options.json === true) return console.log(jsonText({ run, events }));
        const cut = after === 0 ? '' : `last ${events.length} of ${length} events; use --events all for all of them\n`;
        const isWide = failureChain(run.failure)?.some(({ kind }) => kind === 'activity') === true;
        const bySeq = await answeredEvents(handle, events, { first: after + 1, isWide });
        console.log(`${runText(run, bySeq)}\n\n${cut}${eventsText(events, bySeq, options.full === true)}`);
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

function eventCount(text: string): number {
  if (text === 'all') return Number.POSITIVE_INFINITY;
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number, or "all".');
}

function runText(run: WorkflowExecutionDescription, bySeq: ReadonlyMap<number, HistoryRecord>): string {
  const rows: [string, string | undefined][] = [
    ['workflow id', run.workflowId],
    ['run id', run.runId],
    ['type', run.type],
    ['status', run.status.name.toLowerCase()],
    ['task queue', run.taskQueue],
    ['started', run.startTime.toISOString()],
    ['closed', run.closeTime?.toISOString()],
    ...failureRows(run.failure, bySeq),
    ['events', String(run.historyLength)],
    ['attributes', membersText(run.searchAttributes)],
    ['memo', membersText(run.memo ?? {})],
    ['hold', holdText(run.hold)],
    ...openRows(run),
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(12)} ${value}`])).join('\n');
}

/** The failure that closed the run and its causes, with the call of the activity that failed. */
function failureRows(failure: Error | undefined, bySeq: ReadonlyMap<number, HistoryRecord>): [string, string][] {
  return (failureChain(failure) ?? []).map((info, index) => {
    const of = info.kind === 'activity' ? ` (${callText(info, bySeq)})` : '';
    return [index === 0 ? 'failure' : 'cause', `${failureLine(info).replaceAll('\n', `\n${' '.repeat(13)}`)}${of}`];
  });
}

function callText({ activityType, activityId }: ActivityInfo, bySeq: ReadonlyMap<number, HistoryRecord>): string {
  const end = [...bySeq.values()].findLast(({ type, answers }) => {
    const call = answers === null ? undefined : bySeq.get(answers);
    const id = (call?.meta as { id?: string } | null | undefined)?.id ?? String(call?.seq);
    return /^Activity(?:Failed|TimedOut)$/.test(type) && call?.name === activityType && (activityId ?? id) === id;
  });
  if (end === undefined) return `activity ${activityType}`;
  return `activity ${activityType}, seq ${end.answers}${end.attempt === null ? '' : `, attempt ${end.attempt}`}`;
}

function holdText(hold: WorkflowExecutionDescription['hold']): string | undefined {
  return hold && `since ${hold.at.toISOString()} by ${hold.actor}: ${hold.reason}`;
}

function membersText(members: object): string | undefined {
  return Object.keys(members).length === 0 ? undefined : jsonText(members);
}

/** Rows that only an open run has: which worker has it, and what it waits for. */
function openRows(run: WorkflowExecutionDescription): [string, string | undefined][] {
  if (run.closeTime !== undefined) return [];
  return [
    ['paused', pauseText(run.paused)],
    ['worker', run.owner === undefined ? 'none' : `${run.ownerIdentity ?? 'unknown'} (epoch ${run.owner})`],
    ['pollers', String(run.pollers)],
    ['version', versionText(run)],
    ['next wake', run.nextWakeTime && (run.nextWakeTime >= never ? 'never' : run.nextWakeTime.toISOString())],
    ['unread mail', String(run.unreadMail)],
    ...run.pendingActivities.map((activity): [string, string] => [
      'activity',
      `${activity.type} (seq ${activity.seq}, attempt ${activity.attempt})` +
        `${activity.unknownEffect ? ', effect unknown: it began, and the log has no end: retry or skip it' : ''}` +
        `${activity.held === true ? ', held: the origin of the fork executes it; retry or skip it' : ''}${activity.lastFailure === null ? '' : `; last failure: ${activity.lastFailure}`}`,
    ]),
    ...taskFailureRows(run.taskFailure),
    ...quarantineRows(run.quarantine),
  ];
}

function pauseText(paused: WorkflowExecutionDescription['paused']): string | undefined {
  if (paused === undefined) return undefined;
  const { at, actor, reason, seq } = paused;
  return `since ${at.toISOString()}${actor === null ? '' : ` by ${actor}`}${reason === null ? '' : `: ${reason}`} (seq ${seq})`;
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
