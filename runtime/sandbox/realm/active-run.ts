// One run in a sandbox: drives it through an activation (begin, drain, unblock and drain, conclude) and answers
// queries. Synchronous throughout. All results belong to the host's realm, and their stacks name the user's source
// lines.
import type { SandboxRun } from '../../activator/entry.ts';
import type { Activation, ActivationResult, Divergence, PendingCall, TaskFailure } from '../../core/log/activation.ts';
import { ApplicationFailure } from '../../core/failure/failure.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import type { ForkedMeta } from '../../core/run/forked-meta.ts';
import type { CheckpointStrategy, CheckpointTail } from '../../core/recovery/checkpoint-strategy.ts';
import type { VersioningBehavior } from '../../core/run/deployment.ts';
import type { AskedPatch, PatchTrial } from '../../core/context/patch-trial.ts';
import { hostAnswer, hostCalls, hostResult, hostTrial, type LoggedAnswer } from './host-copy.ts';
import type { SourcePositions } from '../stacks/source-positions.ts';
import { type RejectionSink, withRejectionSink } from './unhandled-rejections.ts';
import { frameText, isOfLibrary, type UserFrame, userFrames } from '../stacks/user-frames.ts';
import type { OpenRealm } from './vm-realm.ts';

/** Rejections of promises that a query handler leaves behind are dropped: the query is already answered. */
const ignoredRejections: RejectionSink = { rejected: () => undefined };

/**
 * A frame as text. For a frame without a name or of a library, the text also names the user's function that called it.
 */
function placeText(frames: readonly UserFrame[]): string {
  const [first] = frames;
  if (first === undefined) return 'unknown code';
  const isNamed = first.functionName !== undefined;
  const place = isNamed ? frameText(first) : `${frameText(first)} in code without a name`;
  if (isNamed && !isOfLibrary(first)) return place;
  const caller = frames.slice(1).find((frame) => frame.functionName !== undefined && !isOfLibrary(frame));
  return caller === undefined ? place : `${place}, called by ${frameText(caller)}`;
}

export class ActiveRun implements RejectionSink {
  /** The run that the history began with. */
  readonly runId: string;
  readonly #open: OpenRealm;
  readonly #positions: SourcePositions;
  readonly #run: SandboxRun;
  #rejection: TaskFailure | undefined;
  #isLive = false;

  constructor(runId: string, open: OpenRealm, positions: SourcePositions) {
    this.runId = runId;
    this.#open = open;
    this.#positions = positions;
    this.#run = open.realm.createRun(runId);
  }

  /**
   * A result that is not `ok` means that the code could not continue: dispose this run and activate a new one from the
   * log. An `ok` result is final only if `rejection` is unset after `rejectionsKnown()`.
   */
  activate(activation: Activation): ActivationResult {
    return withRejectionSink(this, () => this.#activate(activation));
  }

  /** From here on the run is the fork. */
  become(fork: ForkedMeta): void {
    this.#run.become(fork);
  }

  /** True after the first activation that was not a replay. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** Whether the context must be migrated and which of these patches apply to it, in order. Changes nothing. */
  tryPatches(groups: readonly (readonly AskedPatch[])[]): PatchTrial {
    return withRejectionSink(ignoredRejections, () => {
      const { realm, drain } = this.#open;
      realm.enter();
      let trial: PatchTrial;
      try {
        trial = hostTrial(this.#run.tryPatches(groups));
        drain();
      } catch (error) {
        trial = { ok: false, failure: this.#open.realm.describe(error) };
      }
      const deadlock = realm.deadlock();
      if (deadlock !== undefined) return { ok: false, failure: this.#tellDeadlock(deadlock) };
      return trial.ok ? trial : { ok: false, failure: this.#mapped(trial.failure) };
    });
  }

  /** From the workflow's options; known after the first activation. */
  get versioningBehavior(): VersioningBehavior | undefined {
    return this.#run.versioningBehavior;
  }

  /** From the workflow's options. A function belongs to the sandbox: ask `isCheckpointDue`. */
  get checkpointStrategy(): CheckpointStrategy {
    return this.#run.checkpoint.strategy;
  }

  /** What the workflow's own strategy says, or why it could not say. Call between activations. */
  isCheckpointDue(tail: CheckpointTail): boolean | string {
    return withRejectionSink(ignoredRejections, () => {
      const { realm, drain } = this.#open;
      realm.enter();
      const verdict = this.#run.checkpoint.isDue({ ...tail });
      drain();
      const deadlock = realm.deadlock();
      return deadlock === undefined ? verdict : this.#tellDeadlock(deadlock).message;
    });
  }

  /** JSON text of the context's document, as the last activation left it; undefined while the code has no context. */
  contextText(): string | undefined {
    return this.#run.checkpoint.text;
  }

  /** An unhandled rejection of the run. It fails the activation that caused it and every later one. */
  get rejection(): TaskFailure | undefined {
    return this.#rejection;
  }

  rejected(reason: unknown): void {
    if (this.#rejection !== undefined) return;
    const { code, message, stack } = this.#describe(reason);
    const failure = { code, message: `Unhandled Promise rejection: ${message}` };
    this.#rejection = stack === undefined ? failure : { ...failure, stack };
    this.#run.fail(this.#rejection);
  }

  query(name: string, args: Uint8Array): LoggedAnswer {
    return withRejectionSink(ignoredRejections, () => {
      const { realm, drain } = this.#open;
      realm.enter();
      const answer = hostAnswer(this.#run.query(name, args));
      // Work that the handler left must not run in the activation of another run.
      drain();
      const deadlock = realm.deadlock();
      if (deadlock === undefined) return answer;
      const { code, message } = this.#tellDeadlock(deadlock);
      const failure = encodeFailure(ApplicationFailure.nonRetryable(message, code));
      return { ok: false, failure, registered: true, logs: answer.logs };
    });
  }

  /** Operations (JSON text) that create the context document as it is now; null without a context. */
  contextOps(): string | null {
    return this.#run.contextOps();
  }

  /** The calls that no event has answered yet, in the order of the log. */
  pendingCalls(): readonly PendingCall[] {
    return hostCalls(this.#run.pendingCalls());
  }

  dispose(): void {
    this.#run.dispose();
  }

  #activate(activation: Activation): ActivationResult {
    const { realm } = this.#open;
    this.#isLive ||= activation.recorded === undefined;
    realm.enter();
    try {
      this.#compute(activation);
      const deadlock = realm.deadlock();
      if (deadlock === undefined) {
        return this.#concluded(activation.recorded !== undefined && activation.reports !== true);
      }
      const failure = this.#tellDeadlock(deadlock);
      this.#run.fail(failure);
      // The interruption is the cause. Errors that it triggered in user code are secondary.
      return { ok: false, failure, logs: this.#concluded(true).logs };
    } catch (error) {
      const failure = this.#describe(error);
      this.#run.fail(failure);
      return { ok: false, failure, logs: [] };
    }
  }

  /** On replay only a failure matters: the log already holds the rest. */
  #concluded(isReplay: boolean): ActivationResult {
    const result = hostResult(this.#run.conclude(), isReplay);
    if (!result.ok) return { ...result, failure: this.#mapped(result.failure) };
    const { difference } = result;
    if (difference === undefined) return result;
    const places = difference.places.map((stack) => this.#place(stack));
    return { ...result, difference: { divergence: difference.divergence, places } };
  }

  #compute(activation: Activation): void {
    const { realm, drain } = this.#open;
    this.#run.begin(activation);
    drain();
    while (realm.deadlock() === undefined && this.#run.unblock()) drain();
  }

  #tellDeadlock(deadlock: Error): TaskFailure {
    const stack = this.#positions.mapStack(deadlock.stack ?? '');
    const place = placeText(userFrames(deadlock.stack ?? '', this.#positions));
    const message =
      `${deadlock.message}: run ${this.runId} was interrupted at ${place}. Workflow code must soon wait for something ` +
      '(an activity, sleep, condition); look for an endless loop there, or move long computing to an activity.';
    return { code: 'DEADLOCK', message, stack };
  }

  #describe(thrown: unknown): TaskFailure {
    return this.#mapped(this.#open.realm.describe(thrown));
  }

  /** A copy in the host's realm, with positions in the user's files. */
  #mapped({ code, message, stack, divergence }: TaskFailure): TaskFailure {
    const mapped = {
      code,
      message: this.#positions.mapText(message),
      ...(divergence === undefined ? {} : { divergence: this.#placed(divergence, stack) }),
    };
    return stack === undefined ? mapped : { ...mapped, stack: this.#positions.mapStack(stack) };
  }

  #placed(divergence: Divergence, stack: string | undefined): Divergence {
    const place = this.#place(stack);
    return place === undefined ? divergence : { ...divergence, place };
  }

  #place(stack = ''): string | undefined {
    const frames = userFrames(stack, this.#positions);
    const frame = frames.find((each) => !isOfLibrary(each)) ?? frames[0];
    return frame && frameText(frame);
  }
}
