// Options of the verbs of operators: who asks, why, and what for. Checks them and writes nothing.
import { randomUUID } from 'node:crypto';
import type { ArgumentEdit } from '../../../runtime/core/recovery/edited-arguments.ts';
import {
  aList,
  anyText,
  checkOptions,
  listOf,
  nested,
  type OptionTable,
  optionTable,
  required,
  storableName,
  trueOrFalse,
  unchecked,
} from '../../../runtime/core/options/option-table.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { checkReason } from '../encode-arguments.ts';

/** Who does something and why. Both stand in the log. */
export interface ActorOptions {
  readonly reason?: string;
  /** Name of the person or program. */
  readonly actor?: string;
}

export interface VerbOptions extends ActorOptions {
  /**
   * Makes the call idempotent: a repeated call with the same id does nothing and returns the event of the first one.
   * Default: a random id.
   */
  readonly requestId?: string;
}

export interface RecoveryOptions extends VerbOptions {
  /** For a closed run: go on from before its failure even if other things have happened behind it. */
  readonly force?: boolean;
}

export interface RetryOptions extends RecoveryOptions {
  /** A seq, an activity id, or `type#n`. Default: the only activity that has failed. */
  readonly activity?: string | number;
  /** Changes of single values of the recorded arguments: `/0/delayMs` is a member of the first argument. */
  readonly input?: readonly ArgumentEdit[];
  /** Replaces all arguments. */
  readonly args?: readonly unknown[];
}

export interface SkipOptions extends RecoveryOptions {
  /** A seq, an activity id, or `type#n`. Not needed for a closed run: the activity whose failure closed it. */
  readonly activity?: string | number;
  /** What the activity returns to the workflow code. */
  readonly result?: unknown;
}

const actorRules = { reason: anyText, actor: storableName };
export const actorTable: OptionTable = optionTable<ActorOptions>(actorRules);
const verbRules = { ...actorRules, requestId: storableName };
export const verbTable: OptionTable = optionTable<VerbOptions>(verbRules);
const editTable = optionTable<ArgumentEdit>({ path: required(anyText), ...unchecked('value') });
export const retryTable: OptionTable = optionTable<RetryOptions>({
  ...verbRules,
  ...unchecked('activity'),
  input: listOf(nested(editTable)),
  args: aList,
  force: trueOrFalse,
});
export const skipTable: OptionTable = optionTable<SkipOptions>({
  ...verbRules,
  ...unchecked('activity', 'result'),
  force: trueOrFalse,
});

/** The columns of a message in which somebody gives name and reason. @throws INVALID_INPUT */
export function actorColumns(
  call: string,
  { reason, actor }: ActorOptions,
): { readonly reason?: string; readonly sourceId?: string } {
  return {
    ...(reason === undefined ? {} : { reason: checkReason(call, reason) }),
    ...(actor === undefined ? {} : { sourceId: actor }),
  };
}

/** The columns of the message of a verb. @throws INVALID_INPUT */
export function verbColumns(
  call: string,
  options: VerbOptions,
): { readonly reason?: string; readonly sourceId?: string; readonly correlationId: string } {
  return { ...actorColumns(call, options), correlationId: options.requestId ?? randomUUID() };
}

/** @throws INVALID_INPUT */
export function checkRetryOptions(options: RetryOptions): void {
  checkOptions('retry', options, retryTable);
  if (options.input === undefined || options.args === undefined) return;
  const message =
    'retry was given both input and args. Pass input to change single values, or args to replace them all.';
  throw new RuntimeError('INVALID_INPUT', message);
}
