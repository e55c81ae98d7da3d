// Where workflow code of one bundle runs: one vm context, shared by all its runs, each with module state of its own.
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
}

export class Sandbox {
  readonly #open: OpenRealm | undefined;
  readonly #positions: SourcePositions | undefined;
  #isDisposed = false;

  private constructor(open: OpenRealm | undefined, positions: SourcePositions | undefined) {
    this.#open = open;
    this.#positions = positions;
    watchRejections();
  }

  /** Evaluates the shared part of the bundle: tens of milliseconds. @throws BUNDLE_FAILED when a shared module throws */
  static create(bundle: WorkflowBundle, options: SandboxOptions = {}): Sandbox {
    const open = openRealm(bundle, options.deadlockTimeoutMs ?? 2000);
    return new Sandbox(open, new SourcePositions(bundle, open.fileName));
  }

  /** Without workflow code, for a worker that takes no runs. */
  static empty(): Sandbox {
    return new Sandbox(undefined, undefined);
  }

  /** The user's code is evaluated in the run's first activation. @throws ILLEGAL_STATE after `dispose`, and when it is empty */
  createRun(runId: string): ActiveRun {
    const [open, positions] = [this.#open, this.#positions];
    if (this.#isDisposed || open === undefined || positions === undefined) {
      throw new RuntimeError(
        'ILLEGAL_STATE',
        `Run ${runId} cannot be created in a sandbox that ${this.#isDisposed ? 'was disposed' : 'has no code'}.`,
        {
          runId,
        },
      );
    }
    return new ActiveRun(runId, open, positions);
  }

  /** With positions in the user's files, and without frames of the host. */
  mapStack(stack: string): string {
    return this.#positions === undefined ? stack : this.#positions.mapStack(stack);
  }

  /** Its runs must not be used any more. Memory goes when nothing refers to them. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    unwatchRejections();
  }
}
