// Runs the workflow code of one bundle: one vm context for all its runs, each with its own module state.
import type { ActivatesChange } from '../../activator/determinism/versions.ts';
import type { FailureErrorTypes } from '../../core/failure/failure-types.ts';
import { assert, IllegalStateError } from '../../core/failure/runtime-error.ts';
import { ActiveRun } from './active-run.ts';
import type { WorkflowBundle } from '../bundle/bundle.ts';
import { SourcePositions, withoutInsertions } from '../stacks/source-positions.ts';
import { unwatchRejections, watchRejections } from './unhandled-rejections.ts';
import { type OpenRealm, openRealm } from './vm-realm.ts';
import { WaitTracer } from '../stacks/wait-tracer.ts';

export type { ActiveRun } from './active-run.ts';

export interface SandboxOptions {
  /** An activation that computes for longer is interrupted, ms; Infinity while debugging. Default 2000. */
  readonly deadlockTimeoutMs?: number;
  /** Names of the worker's activities. Without it, every local activity counts as present. */
  readonly activityTypes?: readonly string[] | undefined;
  /** True when stack traces may show the text of workflow code. Default false. */
  readonly showStackTraceSources?: boolean;
  /** Set to debug: the folder of the sources. The code has no guards then, and a source map for the debugger. */
  readonly sourceFolder?: string | undefined;
  /** Errors that fail a run instead of its task. */
  readonly failureErrorTypes?: FailureErrorTypes | undefined;
  /** Decides which changes are active. Default: all. */
  readonly activatesChange?: ActivatesChange | undefined;
}

const defaultDeadlockTimeoutMs = 2000;

export class Sandbox {
  /** Undefined in a sandbox without code, which a worker with only activities uses. */
  readonly bundle: WorkflowBundle | undefined;
  readonly deadlockTimeoutMs: number;
  readonly activityTypes: readonly string[] | undefined;
  readonly #showsSources: boolean;
  readonly #open: OpenRealm | undefined;
  readonly #positions: SourcePositions | undefined;
  readonly failureErrorTypes: FailureErrorTypes | undefined;
  #isDisposed = false;

  private constructor(given: WorkflowBundle | undefined, options: SandboxOptions) {
    const { sourceFolder } = options;
    const bundle = given && sourceFolder !== undefined ? { ...given, code: withoutInsertions(given.code) } : given;
    this.bundle = bundle;
    this.deadlockTimeoutMs = options.deadlockTimeoutMs ?? defaultDeadlockTimeoutMs;
    this.#showsSources = options.showStackTraceSources === true;
    this.activityTypes = options.activityTypes;
    const types = options.activityTypes && new Set(options.activityTypes);
    const isActivityRegistered = types && ((type: string): boolean => types.has(type));
    this.#open =
      bundle &&
      openRealm(bundle, {
        deadlockTimeoutMs: this.deadlockTimeoutMs,
        failureErrorTypes: options.failureErrorTypes,
        isActivityRegistered,
        activatesChange: options.activatesChange,
        sourceFolder,
      });
    this.#positions = bundle && this.#open && new SourcePositions(bundle, this.#open.fileName);
    this.failureErrorTypes = options.failureErrorTypes;
    watchRejections();
  }

  /**
   * Evaluates the shared part of the bundle, which takes tens of milliseconds.
   * @throws BUNDLE_FAILED when a shared module throws
   */
  static create(bundle: WorkflowBundle, options: SandboxOptions = {}): Sandbox {
    return new Sandbox(bundle, options);
  }

  /** A sandbox without workflow code, for a worker that executes no runs. */
  static empty(): Sandbox {
    return new Sandbox(undefined, {});
  }

  /**
   * The run's first activation evaluates the user's code.
   * @throws ILLEGAL_STATE after `dispose`, and when the sandbox has no code
   */
  createRun(runId: string): ActiveRun {
    if (this.#isDisposed || this.#open === undefined) {
      const why = this.#isDisposed ? 'was disposed' : 'has no code';
      throw new IllegalStateError(`Run ${runId} cannot be created in a sandbox that ${why}.`, { runId });
    }
    return new ActiveRun(runId, this.#open, this.#positionsOfCode());
  }

  /** Maps positions to the user's files and drops frames of the host. */
  mapStack(stack: string): string {
    return this.#positions === undefined ? stack : this.#positions.mapStack(stack);
  }

  /**
   * Records from now on what the sandbox's runs wait for. Permanently slows down the whole isolate, so never call it in
   * a worker's own thread.
   */
  traceWaits(): WaitTracer {
    return new WaitTracer(this.#positionsOfCode());
  }

  /** Text of a source file by its path in stacks; undefined when it may not be shown. */
  shownSource(file: string): string | undefined {
    return this.#showsSources ? this.#positionsOfCode().text(file) : undefined;
  }

  #positionsOfCode(): SourcePositions {
    assert(this.#positions !== undefined, 'a sandbox without code was asked for positions in it');
    return this.#positions;
  }

  /** Its runs must not be used afterwards. The memory is freed when nothing refers to them. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    unwatchRejections();
  }
}
