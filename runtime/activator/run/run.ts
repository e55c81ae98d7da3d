// One run inside the sandbox: turns the events of an activation into settled promises, starts the main function, and
// routes its outcome. Its parts (timers, activities, signals …) hold what is pending. No I/O, no clock.
// Source: inputs are handled in the order of Temporal's activation.
import type {
  Activation,
  ActivationResult,
  LogLine,
  PendingCall,
  QueryResult,
  TaskFailure,
} from '../../core/log/activation.ts';
import type { DeploymentMeta, VersioningBehavior } from '../../core/run/deployment.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { ForkedMeta } from '../../core/run/forked-meta.ts';
import { type FailureErrorTypes, failureErrorNames } from '../../core/failure/failure-types.ts';
import { CancelledFailure, isCancellation, TemporalFailure } from '../../core/failure/failure.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { decodePayload, encodePayload } from '../../core/payload/payload.ts';
import type { RunProperties } from '../../core/run/run-properties.ts';
import { ActivityCalls } from '../calls/activities.ts';
import { Children } from '../calls/children.ts';
import { cancelWith, enterScope, RootScope } from '../scopes/cancellation-scope.ts';
import { PlainCommand, OpenTurn } from './open-turn.ts';
import { Conditions } from '../scopes/conditions.ts';
import { type Continuation, ContinueAsNew, continuedColumns } from '../calls/continue-as-new.ts';
import { type CurrentRun, enterRun } from './current-run.ts';
import { Externals } from '../calls/externals.ts';
import { inputRank, localRank, ranks, ranksWithLocal } from './input-rank.ts';
import { writeLog } from './log.ts';
import { Queries } from '../messages/queries.ts';
import type { Random, RandomStreams } from '../determinism/random.ts';
import type { AskedPatch, PatchTrial } from '../../core/context/patch-trial.ts';
import { CheckpointAdvice } from '../context/checkpoint-advice.ts';
import { RunContext } from '../context/run-context.ts';
import { RunIdentity } from './run-identity.ts';
import type { SandboxRun } from './sandbox-run.ts';
import { Signals } from '../messages/signals.ts';
import { type RunningHandler, RunningHandlers } from '../messages/running-handlers.ts';
import { taskFailureOf } from './task-failure.ts';
import { Timeouts } from '../scopes/timeouts.ts';
import { Timers } from '../scopes/timers.ts';
import { Updates } from '../messages/updates.ts';
import { Versions } from '../determinism/versions.ts';
import type { WorkflowMetadata } from '../messages/built-in-queries.ts';
import { createWorkflowInfo, startedProperties } from '../info/build-info.ts';
import type { WorkflowInfo } from '../info/workflow-info.ts';
import { isConfiguredFailure, optionsOf, type WorkflowDefinitionOptions } from '../info/workflow-options.ts';

type Main = (...args: unknown[]) => unknown;

function functionNames(exported: Record<string, unknown>): string[] {
  return Object.keys(exported).filter((name) => typeof exported[name] === 'function');
}

export class Run implements SandboxRun, CurrentRun {
  readonly #identity: RunIdentity;
  readonly turn: OpenTurn = new OpenTurn();
  readonly timers: Timers = new Timers(this.turn);
  readonly timeouts: Timeouts = new Timeouts(this);
  readonly activities: ActivityCalls = new ActivityCalls(this.turn);
  readonly conditions: Conditions = new Conditions();
  readonly running: RunningHandlers = new RunningHandlers();
  readonly signals: Signals = new Signals((handler, task) => this.#invoke(handler, task));
  readonly updates: Updates = new Updates({
    turn: this.turn,
    running: this.running,
    enter: (fn) => enterScope(this.rootScope, fn),
    isFailure: (thrown) => this.#isFailure(thrown, 'UpdateFailed'),
    route: (thrown) => this.#closeWithError(thrown),
  });
  readonly queries: Queries = new Queries(() => this.metadata);
  currentDetails = '';
  readonly versions: Versions = new Versions(this.turn);
  readonly rootScope: RootScope = new RootScope(this);
  readonly context: RunContext = new RunContext(this);
  readonly checkpoint: CheckpointAdvice = new CheckpointAdvice(this);
  readonly #load: () => Record<string, unknown>;
  readonly #failureTypes: FailureErrorTypes | undefined;
  #options: WorkflowDefinitionOptions | undefined;
  /** The build that works on the run from this turn on, according to the log. */
  deployment: DeploymentMeta | undefined;
  isLoaded = false;
  #externals: Externals | undefined;
  #children: Children | undefined;
  #info: WorkflowInfo | undefined;
  #properties: RunProperties | undefined;
  #cancelRequested = false;
  #disposables: { disable(): void }[] | undefined;

  /** `load` evaluates the user's code and returns its exports; called once, in the first activation. */
  constructor(runId: string, load: () => Record<string, unknown>, failureTypes?: FailureErrorTypes) {
    this.#identity = new RunIdentity(runId);
    this.#load = load;
    this.#failureTypes = failureTypes;
  }

  /** Created at first use: most runs send nothing to other runs. */
  get externals(): Externals {
    this.#externals ??= new Externals(this.turn);
    return this.#externals;
  }

  get children(): Children {
    this.#children ??= new Children(this.turn, this.externals, () => this.#identity.started.namespace);
    return this.#children;
  }

  get info(): WorkflowInfo {
    this.#info ??= createWorkflowInfo(this, this.#identity.startEvent, this.#identity.started, this.properties);
    return this.#info;
  }

  get properties(): RunProperties {
    this.#properties ??= startedProperties(this.#identity.started);
    return this.#properties;
  }

  set properties(properties: RunProperties) {
    this.#properties = properties;
    this.#info = undefined;
  }

  get versioningBehavior(): VersioningBehavior | undefined {
    return this.#options?.versioningBehavior;
  }

  get runId(): string {
    return this.#identity.runId;
  }

  get random(): Random {
    return this.#identity.random;
  }

  get randomStreams(): RandomStreams {
    return this.#identity.randomStreams;
  }

  become(fork: ForkedMeta): void {
    this.#identity.become(fork);
    this.#info = undefined;
  }

  /** The answer to the metadata query. */
  get metadata(): WorkflowMetadata {
    return {
      definition: {
        type: this.info.workflowType,
        queryDefinitions: this.queries.descriptions,
        signalDefinitions: this.signals.descriptions,
        updateDefinitions: this.updates.descriptions,
      },
      currentDetails: this.currentDetails,
    };
  }

  /** Engine number that the run was started under. */
  get engine(): number {
    return this.#identity.started.engine ?? 1;
  }

  begin(activation: Activation): void {
    enterRun(this);
    if (this.turn.isOver) return;
    this.turn.open(activation);
    enterScope(this.rootScope, () => this.#begin(activation));
  }

  #begin(activation: Activation): void {
    if (activation.deployment !== undefined) this.deployment = activation.deployment;
    try {
      // Patches come before all other inputs, so that the log's fold and the code see the same document at every seq.
      if (this.context.applyInputs(activation.inputs)) this.conditions.unblock();
      let start: (() => void) | undefined;
      for (const rank of this.activities.hasLocal ? ranksWithLocal : ranks) {
        for (const input of activation.inputs) {
          if (this.#rankOf(input) !== rank) continue;
          if (input.seq === activation.breakAt) debugger;
          if (rank === 0) start = this.#initialize(input);
          else this.#handle(input);
          this.conditions.unblock();
        }
      }
      if (start === undefined) return;
      start();
      this.conditions.unblock();
    } catch (thrown) {
      this.failTask(thrown);
    }
  }

  #rankOf(input: HistoryEvent): (typeof ranksWithLocal)[number] | undefined {
    const rank = inputRank[input.type];
    // A failed attempt answers the activity too, but workflow code does not see it.
    return rank === 2 && this.activities.hasLocal && this.activities.endsLocal(input) ? localRank : rank;
  }

  unblock(): boolean {
    enterRun(this);
    return !this.turn.isOver && enterScope(this.rootScope, () => this.conditions.unblock());
  }

  conclude(): ActivationResult {
    let result: ActivationResult;
    try {
      const rejected = this.updates.conclude();
      // A failed run needs no warning about its handlers.
      const { terminal } = this.turn;
      if (terminal !== undefined && terminal !== 'WorkflowFailed') {
        for (const warning of this.running.warnings()) writeLog(this, 'warn', warning);
      }
      result = this.turn.conclude(rejected);
    } finally {
      enterRun(undefined);
    }
    if (this.turn.isOver) this.conditions.clear();
    return result;
  }

  query(name: string, args: Uint8Array): QueryResult & { readonly logs: readonly LogLine[] } {
    enterRun(this);
    this.turn.openQuery();
    const result = enterScope(this.rootScope, () => this.queries.answer(name, args));
    return { ...result, logs: this.turn.takeLogs() };
  }

  tryPatches(groups: readonly (readonly AskedPatch[])[]): PatchTrial {
    enterRun(this);
    return this.context.tryPatches(groups);
  }

  contextOps(): string | null {
    return this.context.carried()?.ops ?? null;
  }

  pendingCalls(): readonly PendingCall[] {
    const parts = [this.activities, this.timers, this.#children, this.#externals];
    return parts.flatMap((part) => [...(part?.pending() ?? [])]).sort((a, b) => a.seq - b.seq);
  }

  fail(failure: TaskFailure): void {
    this.turn.fail(failure);
  }

  failTask(thrown: unknown): void {
    this.turn.fail(taskFailureOf(thrown));
  }

  onDispose(disposable: { disable(): void }): void {
    this.#disposables ??= [];
    this.#disposables.push(disposable);
  }

  dispose(): void {
    for (const disposable of this.#disposables ?? []) disposable.disable();
    this.#disposables = undefined;
  }

  /** Evaluates the user's code. Returns the main function, to be started after the other inputs. */
  #initialize(event: HistoryEvent): (() => void) | undefined {
    this.#identity.start(event);
    const exported = this.#load();
    this.isLoaded = true;
    const type = event.name ?? '';
    const named = Object.hasOwn(exported, type) ? exported[type] : undefined;
    const main = typeof named === 'function' ? named : exported['default'];
    if (typeof main !== 'function') {
      this.turn.fail({
        code: 'WORKFLOW_TYPE_NOT_FOUND',
        message:
          `Failed to initialize workflow of type '${type}': no such function is exported by the workflow bundle. ` +
          `It exports ${functionNames(exported).join(', ') || 'no function'}. Export the workflow from the file of ` +
          'workflowsPath, or terminate this run and start one of an exported type.',
      });
      return undefined;
    }
    const args = event.payload === null ? [] : (decodePayload(event.payload) as unknown[]);
    return () => this.#start(main as Main, args);
  }

  #start(main: Main, args: readonly unknown[]): void {
    this.#options = optionsOf(main);
    this.checkpoint.strategy = this.#options.checkpoint ?? 'automatic';
    let result: unknown;
    try {
      result = main(...args);
    } catch (thrown) {
      this.#closeWithError(thrown);
      return;
    }
    Promise.resolve(result).then(
      (value) => this.#complete(value),
      (thrown: unknown) => this.#closeWithError(thrown),
    );
  }

  #handle(event: HistoryEvent): void {
    switch (event.type) {
      case 'SignalReceived':
        this.signals.receive(event);
        return;
      case 'UpdateAccepted':
        this.updates.receive(event);
        return;
      case 'TimerFired':
        if (event.answers !== null) this.timers.fire(event.answers);
        return;
      case 'WorkflowCancelRequested':
        this.#cancelRequested = true;
        cancelWith(this.rootScope, new CancelledFailure('Workflow cancelled'));
        return;
      case 'ChildWorkflowStarted':
      case 'ChildWorkflowStartFailed':
      case 'ChildWorkflowCompleted':
      case 'ChildWorkflowFailed':
      case 'ChildWorkflowCancelled':
      case 'ChildWorkflowTimedOut':
      case 'ChildWorkflowTerminated':
        this.children.settle(event);
        return;
      case 'ExternalSignalDelivered':
      case 'ExternalSignalFailed':
      case 'ExternalCancelDelivered':
      case 'ExternalCancelFailed':
        this.externals.settle(event);
        return;
      default:
        this.activities.settle(event);
    }
  }

  /** Runs a signal handler. Each handler is a separate task, and nothing awaits it. */
  #invoke(handler: () => unknown, task: RunningHandler): void {
    try {
      const result = enterScope(this.rootScope, handler);
      if (typeof result !== 'object' || result === null) return;
      this.running.add(task);
      Promise.resolve(result).then(
        () => this.running.delete(task),
        (thrown: unknown) => {
          this.running.delete(task);
          this.#closeWithError(thrown);
        },
      );
    } catch (thrown) {
      this.#closeWithError(thrown);
    }
  }

  #complete(value: unknown): void {
    try {
      this.turn.close(new PlainCommand('WorkflowCompleted', { payload: encodePayload(value) }));
    } catch (thrown) {
      const { code, message, ...rest } = taskFailureOf(thrown);
      this.turn.fail({
        ...rest,
        code,
        message: `The result of workflow ${this.info.workflowType} cannot be stored: ${message}`,
      });
    }
  }

  #continueAsNew(continuation: Continuation): void {
    const carried = continuation.carriesContext ? this.context.carried() : undefined;
    this.turn.close(new PlainCommand('WorkflowContinuedAsNew', continuedColumns(continuation, carried)));
  }

  /**
   * On replay, an error that failed the run or the update in the log does so again, even if the options have changed.
   */
  #isFailure(thrown: unknown, event: 'WorkflowFailed' | 'UpdateFailed'): boolean {
    if (thrown instanceof TemporalFailure || this.turn.recordHas(({ type }) => type === event)) return true;
    const types = this.#options?.failureExceptionTypes;
    if (types === undefined && this.#failureTypes === undefined) return false;
    return isConfiguredFailure(thrown, types, failureErrorNames(this.#failureTypes, this.info.workflowType));
  }

  /**
   * A failure ends the run. Any other error is a bug and fails only the task.
   * Source: Temporal (behaviors 6, 34, 56 in docs/behaviors.md).
   */
  #closeWithError(thrown: unknown): void {
    try {
      const continuation = ContinueAsNew.continuationOf(thrown);
      if (continuation !== undefined) this.#continueAsNew(continuation);
      else if (this.#cancelRequested && isCancellation(thrown)) {
        this.turn.close(new PlainCommand('WorkflowCancelled'));
      } else if (this.#isFailure(thrown, 'WorkflowFailed')) {
        this.turn.close(new PlainCommand('WorkflowFailed', { payload: encodeFailure(thrown) }));
      } else {
        this.failTask(thrown);
      }
    } catch (error) {
      this.failTask(error);
    }
  }
}
