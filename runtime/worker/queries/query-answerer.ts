// Answers queries: of a run in memory when its last turn is durable, of any other by replaying its log into a copy. A query
// sees every message that was sent before it.
import type { TaskFailure } from '../../core/log/activation.ts';
import { readStartMeta } from '../../core/run/start-meta.ts';
import { type DeploymentMeta, type RunVersioning, startedVersioning } from '../../core/run/deployment.ts';
import { engineFault } from '../../core/log/engine-number.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { ApplicationFailure } from '../../core/failure/failure.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { encodePayload } from '../../core/payload/payload.ts';
import { thrownMessage } from '../../core/failure/thrown-message.ts';
import type { Logger } from 'pino';
import { type Looker, Poller } from '../../flow/poller.ts';
import type { ActiveRun } from '../../sandbox/realm/active-run.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import type { Database } from '../../store/sql/database.ts';
import { readRunVersioning } from '../../store/deployments/deployments.ts';
import { readHistory } from '../../store/log/history.ts';
import { isFaultOfRun } from '../../store/ownership/quarantine.ts';
import {
  answer,
  type OpenRequest,
  openRequests,
  type QueryAnswer,
  type QueryRequest,
} from '../../store/messages/requests.ts';
import { RunReplay } from '../../replay/run-replay.ts';
import type { OwnedRuns } from '../cache/owned-runs.ts';
import { explained, traceRun } from './run-tracer.ts';
import { isTraceQuery, traceAnswer } from './stack-trace.ts';
import { mayAnswer, type WorkerVersions } from '../versions/worker-versions.ts';

/** How long a query waits for messages that were sent before it: a run whose code fails may never take them. */
const patienceMs = 1_000;
/** When it is looked again whether they were taken. */
const soonMs = 5;

export class QueryAnswerer implements Looker {
  readonly #database: Database;
  readonly #sandbox: Sandbox;
  readonly #runs: OwnedRuns;
  readonly #queues: readonly string[];
  readonly #open: () => readonly string[];
  readonly #versions: WorkerVersions | undefined;
  readonly #epoch: number;
  readonly #logger: Logger;
  readonly #underWay = new Set<string>();
  /** Requests that wait for messages: which is the last of them, and until when. */
  readonly #waiting = new Map<string, { readonly mail: number; readonly until: number }>();
  /** Answered during the read under way, which may have read them as open. */
  readonly #answered = new Set<string>();
  readonly #poller = new Poller(this);
  #stopped = false;

  constructor(parts: {
    database: Database;
    sandbox: Sandbox;
    runs: OwnedRuns;
    /** Where requests may wait that are for this worker. */
    queues: readonly string[];
    /** Those of them that it may claim runs from now. */
    open: () => readonly string[];
    epoch: number;
    versions: WorkerVersions | undefined;
    logger: Logger;
  }) {
    this.#database = parts.database;
    this.#sandbox = parts.sandbox;
    this.#runs = parts.runs;
    this.#queues = parts.queues;
    this.#open = parts.open;
    this.#versions = parts.versions;
    this.#epoch = parts.epoch;
    this.#logger = parts.logger;
  }

  /** Whether this worker may be the one that requests on one of these queues are for. */
  isAsked(queues: readonly string[]): boolean {
    return queues.some((queue) => this.#queues.includes(queue));
  }

  /** Answers whatever waits on this worker's queues and can be answered now, or soon. */
  poke(): void {
    this.#poller.nudge();
  }

  stop(): void {
    this.#stopped = true;
    void this.#poller.stop();
  }

  get everyMs(): number | undefined {
    return this.#waiting.size > 0 ? soonMs : undefined;
  }

  async look(): Promise<void> {
    this.#answered.clear();
    const where = { queues: this.#queues, open: this.#open() };
    const requests = await openRequests(this.#database, this.#epoch, where);
    // Nobody waits for an answer to those that are gone.
    const ids = new Set(requests.map((request) => request.id));
    for (const id of this.#waiting.keys()) if (!ids.has(id)) this.#waiting.delete(id);
    for (const request of requests) {
      if (this.#waits(request) || this.#underWay.has(request.id) || this.#answered.has(request.id)) continue;
      // One that takes long keeps no other waiting.
      this.#underWay.add(request.id);
      void this.#settle(request).catch((error: unknown) => this.failed(error));
    }
  }

  failed(error: unknown): void {
    if (!this.#stopped) this.#logger.warn({ err: error }, 'queries could not be answered, will try again');
  }

  async #settle(request: OpenRequest): Promise<void> {
    try {
      const result = await this.#answer(request).catch((error: unknown) => unreadable(request, error));
      if (result === undefined) return;
      await answer(this.#database, request.id, result);
      this.#answered.add(request.id);
    } finally {
      this.#underWay.delete(request.id);
    }
  }

  /** Whether messages that were sent before the request are still to be taken. */
  #waits({ id, runId, mailSent, mailUnread }: OpenRequest): boolean {
    const known = this.#waiting.get(id);
    const { mail, until } = known ?? { mail: mailSent, until: performance.now() + patienceMs };
    const isTold = mailUnread === undefined || mailUnread > mail;
    if (isTold || performance.now() > until || (this.#runs.get(runId)?.state.taskFailures ?? 0) > 0) {
      this.#waiting.delete(id);
      return false;
    }
    if (known === undefined) this.#waiting.set(id, { mail, until });
    return true;
  }

  async #answer(request: QueryRequest): Promise<QueryAnswer | undefined> {
    if (isTraceQuery(request.name)) return this.#answerByTrace(request);
    const run = this.#runs.get(request.runId);
    if (run === undefined) return this.#answerByReplay(request);
    if (run.phase === 'idle' && run.sandbox === undefined) return this.#answerByReplay(request);
    // Before the first task is done, or while a turn is not durable, there is nothing to show yet: the next poll asks again.
    if (
      run.phase === 'loading' ||
      run.phase === 'reloading' ||
      run.phase === 'flushing' ||
      run.carried.length > 0 ||
      run.sandbox === undefined
    ) {
      return run.state.taskFailures > 0 ? this.#answerByReplay(request) : undefined;
    }
    return this.#toAnswer(run.sandbox.query(request.name, request.args), request);
  }

  /** From the log alone, whoever has the run in memory. */
  async #answerByTrace({ runId, name }: QueryRequest): Promise<QueryAnswer | undefined> {
    try {
      // Of a run that is closed, or waits, the log says whose code can follow it.
      if (this.#runs.get(runId) === undefined) {
        const versioning = await readRunVersioning(this.#database.pool, this.#database.schema, runId);
        if (!mayAnswer(versioning, this.#versions)) return undefined;
      }
      const trace = await traceRun(this.#database, this.#sandbox, runId);
      if (trace === undefined) return undefined; // as below: not begun
      if (trace.failure !== undefined) return taskFailed(trace.failure);
      return { payload: encodePayload(traceAnswer(name, trace.waits, this.#sandbox)), problem: undefined };
    } catch (error) {
      const failure = ApplicationFailure.nonRetryable(`The run could not be traced: ${thrownMessage(error)}`);
      return { payload: encodeFailure(failure), problem: 'failed' };
    }
  }

  async #answerByReplay(request: QueryRequest): Promise<QueryAnswer | undefined> {
    const code = this.#sandbox.createRun(request.runId);
    try {
      const replay = new RunReplay(code);
      let seen = false;
      let versioning: RunVersioning | undefined;
      for await (const page of readHistory(this.#database, request.runId, { forReplay: true })) {
        const [first] = page;
        if (first?.seq === 1) {
          const started = readStartMeta(first);
          replay.failure = engineFault(started);
          versioning = startedVersioning(started);
        }
        for (const { type, meta } of page) {
          if (type !== 'WorkflowTaskCompleted' || meta === null) continue;
          versioning = { ...versioning, recorded: JSON.parse(meta) as DeploymentMeta };
        }
        replay.take(page);
        seen ||= page.some((event) => event.hash !== null);
      }
      if (!seen) return undefined; // not begun: it will be claimed and answered then
      // It closed, or has begun meanwhile, on another version, whose workers find the request too.
      if (!mayAnswer(versioning, this.#versions)) return undefined;
      const failure = await explained(this.#database, this.#sandbox, request.runId, replay.failure);
      if (failure !== undefined) return taskFailed(failure);
      return this.#toAnswer(code.query(request.name, request.args), request);
    } finally {
      code.dispose();
    }
  }

  #toAnswer(result: ReturnType<ActiveRun['query']>, request: QueryRequest): QueryAnswer {
    for (const line of result.logs)
      this.#logger[line.level]({ runId: request.runId, ...line.attributes }, line.message);
    if (result.ok) return { payload: result.payload, problem: undefined };
    return { payload: result.failure, problem: result.registered ? 'failed' : 'not_registered' };
  }
}

/** The run's log cannot be read or replayed. What the database failed in is tried again. */
function unreadable({ runId }: QueryRequest, error: unknown): QueryAnswer {
  if (!isFaultOfRun(error)) throw error;
  const message = `Run ${runId} could not be replayed for the query: ${thrownMessage(error)}`;
  return taskFailed({ code: error instanceof RuntimeError ? error.code : 'RUN_QUARANTINED', message });
}

/** The code cannot follow the run's log. */
function taskFailed({ message, code }: TaskFailure): QueryAnswer {
  return { payload: encodeFailure(ApplicationFailure.nonRetryable(message, code)), problem: 'task_failed' };
}
