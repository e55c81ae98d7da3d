// Verbs as inputs of the turn that logs them: the message of a legal verb becomes events, that of a refused one becomes
// an answer to its sender. Checks the verbs of one turn in order, so the first of two that exclude each other wins. Pure.
import { decodeFailure, encodeFailure } from '../failure/failure-info.ts';
import { ApplicationFailure } from '../failure/failure.ts';
import { errorCodes } from '../failure/runtime-error.ts';
import type { EventType } from '../log/event.ts';
import { statusAfter } from '../log/transition.ts';
import type { Input } from '../run/input.ts';
import type { Mail } from '../run/mail.ts';
import type { RunState } from '../run/run-state.ts';
import { notPaused, type Refusal, recoveryRefusal, verbEvents, verbTypes } from './verb.ts';

/** The inputs of a retry or a skip. Only the first one has the message's number. */
export function verbInputs(mail: Mail): readonly Input[] {
  return verbEvents(mail).map((event, i) => (i === 0 ? { ...event, mailId: mail.id } : event));
}

/** Consumes a message whose verb is refused. The sender gets the refusal as the answer to its request. */
export function refusedInput(mail: Mail, refusal: Refusal): Input {
  const [event] = verbEvents(mail);
  return { ...event!, mailId: mail.id, isVoid: true, refusal: failureOf(refusal) };
}

/** The answer to the sender of a refused verb: the failure's type is the error code. */
export function failureOf({ code, message }: Refusal): Uint8Array {
  return encodeFailure(ApplicationFailure.nonRetryable(message, code));
}

/** What the sender of a refused verb reads in the answer. */
export function refusalIn(answer: Uint8Array): Refusal {
  const failure = decodeFailure(answer);
  const type = failure instanceof ApplicationFailure ? failure.type : undefined;
  return { code: errorCodes.find((code) => code === type) ?? 'ILLEGAL_STATE', message: failure.message };
}

const pauses: ReadonlySet<EventType> = new Set<EventType>(['WorkflowPaused', 'WorkflowResumed']);
const closings: ReadonlySet<EventType> = new Set<EventType>([
  'ActivityCompleted',
  'ActivityFailed',
  'ActivityTimedOut',
  'ActivityCancelled',
]);

/** Whether the run is paused after these inputs, so that its code does not see them yet. */
export function isPausedAfter({ paused }: Pick<RunState, 'paused'>, inputs: readonly Input[]): boolean {
  let status: 'running' | 'paused' = paused === undefined ? 'running' : 'paused';
  for (const { type, isVoid } of inputs) {
    if (!pauses.has(type) || isVoid === true) continue;
    const next = statusAfter(status, type);
    if (next !== 'refused') status = next as typeof status;
  }
  return status === 'paused';
}

/** Inputs that the code must consent to wait while the run is paused, so they follow the inputs that resume it. */
export function withLast(
  { paused }: Pick<RunState, 'paused'>,
  inputs: readonly Input[],
  needsCode: (input: Input) => boolean,
): readonly Input[] {
  if (paused === undefined && !inputs.some(({ type }) => pauses.has(type))) return inputs;
  return [...inputs.filter((input) => !needsCode(input)), ...inputs.filter(needsCode)];
}

/** Checks the inputs of one turn that verbs concern, in order, before workflow code is asked about any of them. */
export class VerbCheck {
  readonly #state: RunState;
  #problems: Map<Input, Refusal | 'drop'> | undefined;
  #isPaused: boolean;
  /** Activities that inputs of the turn close. */
  #closed: Set<number> | undefined;
  /** The schedule of a refused skip, whose completion comes next. */
  #refusedSkip: number | undefined;

  constructor(state: RunState, inputs: readonly Input[]) {
    this.#state = state;
    this.#isPaused = state.paused !== undefined;
    for (const input of inputs) {
      if (input.isVoid === true) continue;
      const problem = this.#check(input);
      if (problem !== undefined) (this.#problems ??= new Map()).set(input, problem);
      else if (closings.has(input.type)) (this.#closed ??= new Set()).add(input.answers ?? 0);
    }
  }

  /** `drop`: the input leaves no event. A refusal does so too, and answers the sender. */
  problem(input: Input): Refusal | 'drop' | undefined {
    return this.#problems?.get(input);
  }

  #check(input: Input): Refusal | 'drop' | undefined {
    const { type, answers, source } = input;
    if (verbTypes.has(type)) return this.#verb(input);
    // A timer that is due fires when the run is resumed.
    if (type === 'TimerFired' && this.#isPaused) return 'drop';
    if (type === 'ActivityCompleted' && source === 'user' && answers === this.#refusedSkip) return 'drop';
    // A result that waited for the code may have been overtaken by a skip.
    if (closings.has(type) && !this.#isOpen(answers ?? 0)) return 'drop';
    return undefined;
  }

  #isOpen(activity: number): boolean {
    return this.#state.activities.has(activity) && this.#closed?.has(activity) !== true;
  }

  #verb(input: Input): Refusal | undefined {
    const refusal = this.#refusal(input);
    if (input.type === 'RecoveryApplied') {
      this.#refusedSkip = refusal === undefined || input.name !== 'skip' ? undefined : (input.answers ?? undefined);
    } else if (refusal === undefined) this.#isPaused = input.type === 'WorkflowPaused';
    return refusal;
  }

  #refusal(input: Input): Refusal | undefined {
    const { runId } = this.#state;
    if (input.type === 'WorkflowPaused' && this.#isPaused) {
      return { code: 'RECOVERY_SUPERSEDED', message: `Run ${runId} is paused already.` };
    }
    if (input.type === 'WorkflowResumed' && !this.#isPaused) return notPaused(runId);
    // The activity is held since the message was received, so no other verb has changed it.
    if (input.type !== 'RecoveryApplied' || this.#isOpen(input.answers ?? 0)) return undefined;
    return recoveryRefusal(runId, undefined, input);
  }
}
