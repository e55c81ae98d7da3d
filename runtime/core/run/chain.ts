// The chain of runs that retry policies, cron schedules and timeouts create: when a run times out, and what follows
// when it closes. Pure: the run's start holds all rules.
// Source: Temporal (behaviors 50, 52, 55 in docs/behaviors.md).
import type { FailedMeta } from '../log/activation.ts';
import { changedStart, type StartChanges } from './forked-meta.ts';
import type { StartedMeta, SuccessorMeta } from './start-meta.ts';
import { nextCronTime } from '../options/cron-schedule.ts';
import type { EventType, HistoryEvent, Micros } from '../log/event.ts';
import { RetryState, TimeoutType } from '../failure/failure.ts';
import { decodeFailureInfo, type FailureInfo } from '../failure/failure-info.ts';
import { encodePayload } from '../payload/payload.ts';
import { nextRetry, retryMsMax } from '../activity/retry-policy.ts';

/** What a run's start says about its chain. */
export interface ChainRules {
  readonly meta: StartedMeta;
  readonly startedAt: Micros;
  /** The first task waits until this time, whatever happens before. */
  readonly notBefore: Micros;
  readonly deadline: Micros | undefined;
}

/** Undefined for a run without such rules: it never times out, and nothing follows it. */
export function chainRules(meta: StartedMeta, startedAt: Micros): ChainRules | undefined {
  const { retry, cron, runTimeoutMs, backoffMs } = meta;
  const executionDeadline = executionDeadlineOf(meta, startedAt);
  if (!retry && cron === undefined && runTimeoutMs === undefined && executionDeadline === undefined && !backoffMs) {
    return undefined;
  }
  const notBefore = startedAt + (backoffMs ?? 0) * 1000;
  const firstTask = notBefore + (meta.startDelayMs ?? 0) * 1000;
  const runDeadline = runTimeoutMs === undefined ? undefined : firstTask + runTimeoutMs * 1000;
  return { meta, startedAt, notBefore, deadline: earlier(executionDeadline, runDeadline) };
}

/**
 * The rules of a fork. Its run timeout counts from the fork, its first task waits for nothing, and it keeps the
 * execution deadline unless `changes` holds another one.
 */
export function forkedChain(
  rules: ChainRules | undefined,
  changes: StartChanges | undefined,
  forkedAt: Micros,
): ChainRules | undefined {
  const { executionDeadline } = { ...inheritedMeta(rules), ...changes };
  const {
    startDelayMs: _delay,
    backoffMs: _backoff,
    ...meta
  } = changedStart(rules?.meta ?? ({} as StartedMeta), changes);
  return chainRules({ ...meta, ...(executionDeadline ? { executionDeadline } : {}) }, forkedAt);
}

/** Times of a new run, in ms from its start. */
export interface StartTiming {
  /** Delay of the first task. A message that comes with the start does not end the delay. */
  readonly delayMs: number;
  readonly deadlineMs?: number;
}

export function timingOfStart(meta: StartedMeta): StartTiming {
  const delayMs = (meta.startDelayMs ?? 0) + (meta.backoffMs ?? 0);
  const deadline = chainRules(meta, 0)?.deadline;
  return deadline === undefined ? { delayMs } : { delayMs, deadlineMs: deadline / 1000 };
}

function executionDeadlineOf(
  { executionDeadline, executionTimeoutMs }: StartedMeta,
  startedAt: Micros,
): Micros | undefined {
  if (executionDeadline !== undefined || executionTimeoutMs === undefined) return executionDeadline;
  return startedAt + executionTimeoutMs * 1000;
}

function earlier(a: Micros | undefined, b: Micros | undefined): Micros | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

/** The execution deadline that a run passes to the next run of its chain. */
export function inheritedMeta(rules: ChainRules | undefined): SuccessorMeta {
  const executionDeadline = rules === undefined ? undefined : executionDeadlineOf(rules.meta, rules.startedAt);
  return executionDeadline === undefined ? {} : { executionDeadline };
}

export interface ClosingEvent extends Pick<HistoryEvent, 'payload' | 'at'> {
  readonly type: EventType;
}

export interface Succession {
  /** The changes for the start of the next run; undefined when none follows. */
  readonly next: SuccessorMeta | undefined;
  /** `meta` of the closing event; undefined when there is nothing to record. */
  readonly failed: FailedMeta | undefined;
}

/** What follows a run that completed, failed or timed out. */
export function succession(rules: ChainRules, closing: ClosingEvent): Succession {
  const { retry, attempt = 1 } = rules.meta;
  const failure = failureOf(closing);
  const { executionDeadline } = inheritedMeta(rules);
  const hasTime = (ms: number): boolean =>
    executionDeadline === undefined || closing.at + ms * 1000 < executionDeadline;
  const inherited = { ...inheritedMeta(rules), ...resultsOf(rules.meta, closing, failure) };
  let failed: FailedMeta | undefined;
  if (retry !== undefined && failure !== undefined) {
    const decision = nextRetry({ retry, attempt, scheduledAt: closing.at, now: closing.at, failure });
    if (decision.retry && hasTime(decision.delayMs)) {
      const next = { ...inherited, attempt: attempt + 1, backoffMs: Math.min(decision.delayMs, retryMsMax) };
      return { next, failed: { retryState: RetryState.IN_PROGRESS } };
    }
    failed = { retryState: decision.retry ? RetryState.TIMEOUT : decision.retryState };
  }
  const delayMs = cronDelayMs(rules.meta.cron, closing.at);
  const next = delayMs !== undefined && hasTime(delayMs) ? { ...inherited, backoffMs: delayMs } : undefined;
  return { next, failed };
}

function failureOf({ type, payload }: ClosingEvent): FailureInfo | undefined {
  if (type === 'WorkflowFailed' && payload !== null) return decodeFailureInfo(payload);
  if (type !== 'WorkflowTimedOut') return undefined;
  return { kind: 'timeout', message: 'Workflow execution timed out', timeoutType: TimeoutType.START_TO_CLOSE };
}

function resultsOf(
  { lastResult }: StartedMeta,
  { type, payload }: ClosingEvent,
  failure: FailureInfo | undefined,
): Pick<SuccessorMeta, 'lastResult' | 'lastFailure'> {
  if (type === 'WorkflowCompleted') return payload === null ? {} : { lastResult: hex(payload) };
  const inherited = lastResult === undefined ? {} : { lastResult };
  if (failure === undefined) return inherited;
  // The event of a timeout has no failure payload.
  return { ...inherited, lastFailure: hex(payload ?? encodePayload(failure)) };
}

function cronDelayMs(cron: string | undefined, at: Micros): number | undefined {
  if (cron === undefined) return undefined;
  const nowMs = at / 1000;
  const next = nextCronTime(cron, nowMs);
  return next === undefined ? undefined : Math.max(0, next - nowMs);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
