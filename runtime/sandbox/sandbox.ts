// Where workflow code of one bundle runs: one vm context, shared by all its runs, each with module state of its own.
import type { FailureErrorTypes } from '../history/failure-types.ts';
import { RuntimeError } from '../history/runtime-error.ts';
import { ActiveRun } from './active-run.ts';
import type { WorkflowBundle } from './bundle.ts';
import { SourcePositions } from './source-positions.ts';
import { unwatchRejections, watchRejections } from './unhandled-rejections.ts';
import { type OpenRealm, openRealm } from './vm-realm.ts';

export type { ActiveRun } from './active-run.ts';

export interface SandboxOptions {
  /** An activation that computes for longer is interrupted, ms; Infinity while debugging. Default 2000. */
  readonly deadlockTimeoutMs?: number;
  /** Whether the worker has an activity of this type; without it every local activity counts as there. */
  readonly isActivityRegistered?: (type: string) => boolean;
  /** Errors that fail a run instead of its task. */
  readonly failureErrorTypes?: FailureErrorTypes | undefined;
}

export class Sandbox {
  readonly #open: OpenRealm;
  readonly #positions: SourcePositions;
  /** Errors that fail a run instead of its task. */
  readonly failureErrorTypes: FailureErrorTypes | undefined;
  #isDisposed = false;

  private constructor(open: OpenRealm, positions: SourcePositions, failureErrorTypes: FailureErrorTypes | undefined) {
    this.#open = open;
    this.#positions = positions;
    this.failureErrorTypes = failureErrorTypes;
    watchRejections();
  }

  /** Evaluates the shared part of the bundle: tens of milliseconds. @throws BUNDLE_FAILED when a shared module throws */
  static create(bundle: WorkflowBundle, options: SandboxOptions = {}): Sandbox {
    const open = openRealm(bundle, { deadlockTimeoutMs: 2000, ...options });
    return new Sandbox(open, new SourcePositions(bundle, open.fileName), options.failureErrorTypes);
  }

  /** The user's code is evaluated in the run's first activation. @throws ILLEGAL_STATE after `dispose` */
  createRun(runId: string): ActiveRun {
    if (this.#isDisposed) {
      throw new RuntimeError('ILLEGAL_STATE', `Run ${runId} cannot be created in a sandbox that was disposed.`, {
        runId,
      });
    }
    return new ActiveRun(runId, this.#open, this.#positions);
  }

  /** With positions in the user's files, and without frames of the host. */
  mapStack(stack: string): string {
    return this.#positions.mapStack(stack);
  }

  /** Its runs must not be used any more. Memory goes when nothing refers to them. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    unwatchRejections();
  }
}
