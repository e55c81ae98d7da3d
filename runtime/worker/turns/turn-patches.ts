// Patches of the context that do not come from workflow code, as a turn sees them: asks the code which of them apply, and
// makes the events of those that do and the answers for those that do not. Decides before seqs are given, because a
// refused patch leaves no event.
import type { AskedPatch, MigrationPatch, PatchVerdict } from '../../core/context/patch-trial.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { ApplicationFailure, type RetryState } from '../../core/failure/failure.ts';
import type { LogLine, TaskFailure } from '../../core/log/activation.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent } from '../../core/log/event.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import { VerbCheck } from '../../core/recovery/verb-inputs.ts';
import type { Input } from '../../core/run/input.ts';
import type { LiveRun } from './live-run.ts';

type Refused = Extract<PatchVerdict, { ok: false }>;

/** True for inputs that enter the log only with the code's consent. They wait while the code is absent. */
export function needsCode({ type, staged }: Input): boolean {
  return type === 'UpdateAccepted' || type === 'ContextPatched' || staged !== undefined;
}

/** The code's answer about the patches among a turn's inputs. */
export class TurnPatches {
  /** Brings the document to the version of the code; the first input of the turn. */
  readonly migration: MigrationPatch | undefined;
  readonly failure: TaskFailure | undefined;
  readonly #verdicts = new Map<Input, PatchVerdict>();

  private constructor(migration?: MigrationPatch, failure?: TaskFailure) {
    this.migration = migration;
    this.failure = failure;
  }

  /**
   * Undefined when there is nothing to ask: no patch among the inputs, and no document, or one whose version was already
   * compared with this code's.
   */
  static of({ sandbox, state }: LiveRun, inputs: readonly Input[]): TurnPatches | undefined {
    let asked: Input[] | undefined;
    for (const input of inputs) {
      if (input.isVoid !== true && (input.staged !== undefined || input.type === 'ContextPatched')) {
        (asked ??= []).push(input);
      }
    }
    if (sandbox === undefined || (asked === undefined && (sandbox.isLive || state.contextSeq === 0))) return undefined;
    // A result that a skip has overtaken leaves no event, so no later patch may build on what it staged.
    const verbs = asked && new VerbCheck(state, inputs);
    asked = asked?.filter((input) => verbs?.problem(input) === undefined);
    const trial = sandbox.tryPatches((asked ?? []).map(patchesOf));
    if (!trial.ok) return new TurnPatches(undefined, trial.failure);
    const patches = new TurnPatches(trial.migration);
    for (const [i, input] of (asked ?? []).entries()) patches.#verdicts.set(input, trial.verdicts[i]!);
    return patches;
  }

  verdict(input: Input): PatchVerdict | undefined {
    return this.#verdicts.get(input);
  }
}

function patchesOf(input: Input): readonly AskedPatch[] {
  const { staged, ops, source, sourceId, reason } = input;
  return staged ?? [{ ops: ops ?? '[]', source: source ?? 'user', sourceId: sourceId ?? '', reason }];
}

/** `answers`: the last event before the turn. */
export function migrationEvent(seq: number, answers: number, patch: MigrationPatch): NewEvent {
  return newEvent(seq, 'ContextPatched', { ...patch, answers, source: 'system' });
}

/** The patches that an activity staged, behind its result with the seq `answers`. */
export function stagedEvents(answers: number, staged: readonly AskedPatch[], ops: readonly string[]): NewEvent[] {
  return staged.map(({ source, sourceId, reason }, i) =>
    newEvent(answers + 1 + i, 'ContextPatched', { answers, ops: ops[i]!, source, sourceId, reason }),
  );
}

/**
 * The failure of an activity whose staged patches do not apply. It keeps the result, as a detail of the failure, and the
 * refused operations.
 */
export function conflictEvent(
  completed: Omit<NewEvent, 'seq'>,
  staged: readonly AskedPatch[],
  why: Refused,
): Omit<NewEvent, 'seq'> {
  const message = `The activity completed, but the patches that it staged were refused (${why.code}): ${why.message}`;
  const failure = ApplicationFailure.nonRetryable(message, 'ContextConflict', resultOf(completed.payload));
  const refused = staged.map(({ ops, ...origin }) => ({ ...origin, ops: JSON.parse(ops) as unknown }));
  const retryState: RetryState = 'NON_RETRYABLE_FAILURE';
  const facts = JSON.parse(completed.meta ?? '{}') as Record<string, unknown>;
  const meta = JSON.stringify({ retryState, identity: '', ...facts, code: why.code, refused });
  return newEvent(0, 'ActivityFailed', {
    ...completed,
    reason: message,
    payload: encodeFailure(failure),
    meta,
  });
}

function resultOf(payload: Uint8Array | null): unknown {
  return payload === null ? undefined : decodePayload(payload);
}

export function conflictLog(type: string | null, why: Refused): LogLine {
  const message = 'the patches of an activity were refused, so the activity failed';
  return { level: 'warn', message, attributes: { activityType: type, code: why.code, problem: why.message } };
}

/** The answer to a person whose patch was refused. */
export function refusal({ code, message }: Refused): Uint8Array {
  return encodeFailure(ApplicationFailure.nonRetryable(message, code));
}
