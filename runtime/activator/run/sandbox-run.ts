// A run inside the sandbox, as the host sees it. Types only.
import type { CheckpointAdvice } from '../context/checkpoint-advice.ts';
import type {
  Activation,
  ActivationResult,
  LogLine,
  PendingCall,
  QueryResult,
  TaskFailure,
} from '../../core/log/activation.ts';
import type { AskedPatch, PatchTrial } from '../../core/context/patch-trial.ts';
import type { ForkedMeta } from '../../core/run/forked-meta.ts';
import type { VersioningBehavior } from '../../core/run/deployment.ts';

/** A run as the host drives it: begin, drain microtasks, unblock and drain until `unblock` returns false, conclude. */
export interface SandboxRun {
  begin(activation: Activation): void;
  /** True when a condition was settled: drain microtasks and call again. */
  unblock(): boolean;
  conclude(): ActivationResult;
  /** Also works after the run has closed. The result includes the handler's log lines. */
  query(name: string, args: Uint8Array): QueryResult & { readonly logs: readonly LogLine[] };
  /** Whether the document must be migrated and which of these patches apply, in order. Changes nothing. */
  tryPatches(groups: readonly (readonly AskedPatch[])[]): PatchTrial;
  /** From the workflow's options; undefined before the first activation, and when the options do not set it. */
  readonly versioningBehavior: VersioningBehavior | undefined;
  readonly checkpoint: CheckpointAdvice;
  /** From here on the run has another identity: its history goes on as a fork. */
  become(fork: ForkedMeta): void;
  /** Operations that create the context document as it is now; null without a context. */
  contextOps(): string | null;
  /** The calls that no event has answered yet, in the order of the log. */
  pendingCalls(): readonly PendingCall[];
  /** Reports a failure that the host saw in the running activation, such as an unhandled rejection. */
  fail(failure: TaskFailure): void;
  dispose(): void;
}
