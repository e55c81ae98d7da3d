// What a replay found out: one shape for all modes. Holds no code that replays.
import { hash } from 'node:crypto';
import { canonicalJson } from '../core/json/canonical-json.ts';
import type { Json } from '../core/json/json.ts';
import { applyAll, asItIs, holderOf } from '../core/json/json-patch.ts';
import type { Op } from '../core/json/operation.ts';
import type { DivergenceKind } from '../core/log/activation.ts';
import type { EventType } from '../core/log/event.ts';
import type { ErrorCode } from '../core/failure/runtime-error.ts';

export type ReplayMode = 'PATCH_ONLY' | 'MOCK_TOOLS' | 'LIVE_TOOLS';

/** Where the replay and the record disagree. */
export interface ReplayDivergence {
  /** Seq of the recorded event, or that the code's command would have. */
  readonly seq: number;
  /** `error`: the code could not continue. `context`: a recorded patch does not apply, or the document is another. */
  readonly kind: DivergenceKind | 'error' | 'context';
  readonly code: ErrorCode;
  /** What happened, what was expected and what to do. */
  readonly message: string;
  /** The events as `type name (id)`; absent when one side has no event there. */
  readonly recorded?: string;
  readonly produced?: string;
  /** Where the code issued the command: `order (src/workflows.ts:12:5)`. */
  readonly place?: string;
}

/** A command of the record or of the code. */
export interface ReplayCall {
  readonly type: EventType;
  readonly name: string | null;
  /** Activity id; workflow id of a child or of the receiver of a message. */
  readonly id: string | null;
  /** Seq in the log; undefined when the log does not hold it. */
  readonly seq?: number;
  readonly place?: string;
  /**
   * True behind the first divergence: the record answers other code there, so recorded and produced commands are
   * matched by their ids, names and arguments, and the verdict may be wrong.
   */
  readonly isApproximate?: boolean;
}

/** An activity whose recorded result was replaced. */
export interface MockedCall {
  /** The key in `mocks`: an activity type, `type#n`, or an activity id. */
  readonly mock: string;
  /** Seqs of the replaced results; empty when no result in the replayed part has this key. */
  readonly seqs: readonly number[];
}

/**
 * Where the replay ended. `closed`: at the end of a closed run. `to`: at the point asked for. `end-of-log`: the code
 * waits for something that the log does not hold. `stopped`: at a divergence.
 */
export type ReplayEnd = 'closed' | 'to' | 'end-of-log' | 'stopped';

export interface ReplayReport {
  readonly mode: ReplayMode;
  /** No divergence, nothing missing or extra, and the same document as the recorded patches give. */
  readonly success: boolean;
  readonly runId: string;
  readonly workflowId: string;
  readonly workflowType: string;
  /** Hash of the workflow bundle; undefined without code. */
  readonly codeHash?: string;
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly end: ReplayEnd;
  /** Numbers of replayed events, of context patches among them, and of activity results given to the code. */
  readonly events: number;
  readonly patches: number;
  readonly activities: number;
  /** Fatal ones first. Behind the first, `missing` and `extra` tell more. */
  readonly divergences: readonly ReplayDivergence[];
  /** Recorded commands that the code does not issue. */
  readonly missing: readonly ReplayCall[];
  /** Commands that the log does not hold. */
  readonly extra: readonly ReplayCall[];
  readonly mocked: readonly MockedCall[];
  /** At `end-of-log`: what the code waits for, and what it does next. */
  readonly nextCommands?: readonly ReplayCall[];
  /** SHA-256, hex, of the document's canonical JSON (RFC 8785); null without a context. */
  readonly stateHash: string | null;
  /** The same for the document that the recorded patches give. */
  readonly expectedHash: string | null;
  /** The context document at `toSeq`. */
  readonly state?: Json;
  readonly ms: number;
  /** Cost of what the replay itself called, in dollars. */
  readonly usd: number;
}

/** A context document, folded from JSON texts of operations. */
export class FoldedState {
  readonly #holder = holderOf(null);
  #patches = 0;

  /** @throws CONTEXT_PATCH_INVALID */
  apply(ops: string): void {
    applyAll(this.#holder, JSON.parse(ops) as Op[], asItIs);
    this.#patches += 1;
  }

  /** Undefined when the run had no context yet. */
  get state(): Json | undefined {
    return this.#patches === 0 ? undefined : this.#holder[''];
  }
}

export function stateHash(state: Json | undefined): string | null {
  return state === undefined ? null : hash('sha256', canonicalJson(state), 'hex');
}
