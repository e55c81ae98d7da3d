// A tree of scopes through which cancellation spreads.
// Source: Temporal's CancellationScope (behaviors 33 to 36 in docs/behaviors.md).
//
// A scope is marked cancelled at once, but its listeners run in a microtask, so that a result which arrives in the same
// activation wins. A parent scope refers to a child scope only while something waits in the child, so a run that opens
// a million scopes one after another keeps none of them in memory.
import { CancelledFailure } from '../../core/failure/failure.ts';
import { assert } from '../../core/failure/runtime-error.ts';
import { type Duration, timerMs } from '../../core/options/duration.ts';
import { FlowValue } from '../run/flow-value.ts';
import { outsideWorkflow } from '../run/outside-workflow.ts';
import type { OpenTurn } from '../run/open-turn.ts';
import type { Timers } from './timers.ts';

export interface CancellationScopeOptions {
  /** false shields the code inside from cancellation of outer scopes. Default true. */
  readonly cancellable?: boolean;
  /** Cancels the scope when `run` takes longer than this. */
  readonly timeout?: Duration;
  /** Default: the current scope. */
  readonly parent?: CancellationScope;
}

/** An operation that waits in a scope. It must remove itself when it is settled in another way. */
export interface CancelListener {
  cancelled(error: CancelledFailure): void;
}

/** The parts of a run that its scopes use. The root scope refers to the run. */
export interface ScopeRun {
  readonly turn: OpenTurn;
  readonly timers: Timers;
}

/** The current scope. The host enters every run through its root scope, so workflow code always has one. */
const flow = new FlowValue<CancellationScope>();

/** Runs `fn` with `scope` as the current scope. The scope does not end with `fn`. */
export function enterScope<R>(scope: CancellationScope, fn: () => R): R {
  return flow.run(scope, fn);
}

/** The error that rejects operations of `scope`, if the scope is cancelled and not shielded; else undefined. */
export let cancellationOf: (scope: CancellationScope) => CancelledFailure | undefined;
/** Does nothing for a shielded scope. */
export let addCancelListener: (scope: CancellationScope, listener: CancelListener) => void;
export let removeCancelListener: (scope: CancellationScope, listener: CancelListener) => void;
export let cancelWith: (scope: CancellationScope, error: CancelledFailure) => void;

export class CancellationScope {
  readonly cancellable: boolean;
  readonly parent: CancellationScope | undefined;
  readonly #timeoutMs: number | undefined;
  #error: CancelledFailure | undefined;
  #listeners: Set<CancelListener> | undefined;
  #requested: Promise<never> | undefined;
  #rejectRequested: ((error: CancelledFailure) => void) | undefined;
  /** True when code has read `cancelRequested` and the scope has not ended since. */
  #watched = false;
  #running = 0;
  #link: CancelListener | undefined;

  constructor(options?: CancellationScopeOptions) {
    this.cancellable = options?.cancellable ?? true;
    this.#timeoutMs = options?.timeout === undefined ? undefined : timerMs(options.timeout);
    this.parent = options?.parent ?? this.defaultParent();
  }

  protected defaultParent(): CancellationScope | undefined {
    return CancellationScope.current();
  }

  protected cancelMessage(): string {
    return 'Cancellation scope cancelled';
  }

  protected scopeRun(): ScopeRun {
    assert(this.parent !== undefined, 'a scope that is not the root has no parent');
    return this.parent.scopeRun();
  }

  /** @throws ILLEGAL_STATE outside workflow code */
  static current(): CancellationScope {
    const scope = flow.get();
    if (scope === undefined) throw outsideWorkflow('CancellationScope.current');
    return scope;
  }

  static cancellable<T>(fn: () => Promise<T>): Promise<T> {
    return new CancellationScope({ cancellable: true }).run(fn);
  }

  static nonCancellable<T>(fn: () => Promise<T>): Promise<T> {
    return new CancellationScope({ cancellable: false }).run(fn);
  }

  static withTimeout<T>(timeout: Duration, fn: () => Promise<T>): Promise<T> {
    return new CancellationScope({ cancellable: true, timeout }).run(fn);
  }

  /** True when cancelled and not shielded: anything that starts here is rejected at once. */
  get consideredCancelled(): boolean {
    return cancellationOf(this) !== undefined;
  }

  /**
   * Rejects when the scope is cancelled, even if it is shielded. After the scope has ended, only the scope's own
   * `cancel()` rejects it, not the cancellation of outer scopes.
   */
  get cancelRequested(): Promise<never> {
    if (this.#requested === undefined) {
      this.#requested = new Promise((_resolve, reject) => {
        this.#rejectRequested = reject;
      });
      this.#requested.catch(() => undefined); // it may have no listeners
      const error = this.#requestError();
      if (error === undefined) this.#watch();
      else this.#rejectRequested?.(error);
    }
    return this.#requested;
  }

  run<T>(fn: () => Promise<T>): Promise<T> {
    return flow.run(this, () => this.#run(fn));
  }

  /** The first cancellation counts. A scope stays cancelled. */
  cancel(): void {
    cancelWith(this, new CancelledFailure(this.cancelMessage()));
  }

  async #run<T>(fn: () => Promise<T>): Promise<T> {
    const stopTimer = this.#startTimer();
    this.#running += 1;
    if (this.#requested !== undefined && this.#requestError() === undefined) this.#watch();
    try {
      return await fn();
    } finally {
      stopTimer?.();
      this.#running -= 1;
      if (this.#running === 0) this.#watched = false;
      this.#unlinkIfIdle();
    }
  }

  #startTimer(): (() => void) | undefined {
    if (this.#timeoutMs === undefined || this.consideredCancelled) return undefined;
    const timer = this.scopeRun().timers.start(this.#timeoutMs, () => this.cancel());
    const listener = { cancelled: (): void => timer.cancel() };
    addCancelListener(this, listener);
    return () => {
      removeCancelListener(this, listener);
      timer.cancel();
    };
  }

  #requestError(): CancelledFailure | undefined {
    if (this.#error !== undefined) return this.#error;
    return this.parent?.cancellable === true ? this.parent.#requestError() : undefined;
  }

  #watch(): void {
    this.#watched = true;
    this.#linkToParent();
  }

  #linkToParent(): void {
    if (this.parent === undefined) return;
    this.#link ??= { cancelled: (error) => this.#cancelled(error) };
    addCancelListener(this.parent, this.#link);
  }

  #unlinkIfIdle(): void {
    if (this.parent === undefined || this.#link === undefined || this.#watched || this.#listeners?.size) return;
    removeCancelListener(this.parent, this.#link);
  }

  #cancelled(error: CancelledFailure): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#deliver();
  }

  #deliver(): void {
    const error = this.#error;
    if (error === undefined) return;
    this.#watched = false;
    this.#rejectRequested?.(error);
    if (!this.cancellable || this.#listeners === undefined) return;
    for (const listener of this.#listeners) {
      this.#listeners.delete(listener);
      listener.cancelled(error);
    }
    this.#unlinkIfIdle();
  }

  static {
    cancellationOf = (scope) => (scope.cancellable ? scope.#requestError() : undefined);
    addCancelListener = (scope, listener) => {
      if (!scope.cancellable) return;
      scope.#listeners ??= new Set();
      scope.#listeners.add(listener);
      if (scope.#listeners.size === 1) scope.#linkToParent();
    };
    removeCancelListener = (scope, listener) => {
      if (scope.#listeners?.delete(listener)) scope.#unlinkIfIdle();
    };
    cancelWith = (scope, error) => {
      scope.scopeRun().turn.assertWritable();
      if (scope.#error !== undefined) return;
      scope.#error = error;
      void Promise.resolve().then(() => scope.#deliver());
    };
  }
}

/** The outermost scope of a run. A cancel request cancels it. */
export class RootScope extends CancellationScope {
  readonly #run: ScopeRun;

  constructor(run: ScopeRun) {
    super();
    this.#run = run;
  }

  protected override scopeRun(): ScopeRun {
    return this.#run;
  }

  protected override defaultParent(): undefined {
    return undefined;
  }

  protected override cancelMessage(): string {
    return 'Workflow cancelled';
  }
}
