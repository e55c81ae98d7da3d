// Options of the verbs that fork a run: where, why and for whom. Checks them and writes nothing.
import { randomUUID } from 'node:crypto';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { optionMs } from '../../../runtime/core/options/duration.ts';
import type { Duration } from '../../../runtime/core/options/duration.ts';
import {
  anyText,
  checkOptions,
  duration,
  listOf,
  type OptionTable,
  optionTable,
  required,
  storableName,
  trueOrFalse,
  unchecked,
  wholeNumber,
} from '../../../runtime/core/options/option-table.ts';
import type { ForkRequest } from '../../../runtime/core/recovery/fork-plan.ts';
import { type ForkVerb, forkKinds } from '../../../runtime/core/recovery/fork-verbs.ts';
import type { ForkPoints } from '../../../runtime/recovery/fork-points.ts';
import { checkReason } from '../encode-arguments.ts';

export interface ForkVerbOptions {
  readonly reason?: string;
  /** Name of the person or program. Stands in the log, as the reason does. */
  readonly actor?: string;
  /** A repeated call with the same id returns the fork of the first one. Default: a random id. */
  readonly requestId?: string;
  /** Whether signals and updates that arrived behind the point reach the fork. Default: only for reset and recover. */
  readonly reapply?: boolean;
  /** A new limit for the whole chain, from now on. Needed when the old one has passed. */
  readonly executionTimeout?: Duration;
  /** Types of `unsafe` activities that may be repeated although they have begun behind the point. */
  readonly allowEffects?: readonly string[];
}

/** Where a fork begins. */
export interface ForkPlace {
  /** Before this step: a seq, an activity id, or `type#n` for the n-th call of an activity type. */
  readonly to?: number | string;
  /** At the end of the last turn up to this event. */
  readonly toSeq?: number;
  /** At the end of the turn that saved this checkpoint. */
  readonly checkpoint?: string;
}

export interface ForkOptions extends ForkVerbOptions, ForkPlace {
  /** The workflow id of the fork. */
  readonly workflowId: string;
}

export interface ResetOptions extends ForkVerbOptions {
  readonly to: number | string;
}

export interface RecoverOptions extends ForkVerbOptions, Omit<ForkPlace, 'to'> {}

export interface RollbackOptions extends ForkVerbOptions, Omit<ForkPlace, 'to'> {
  /** Only list what happened behind the point. */
  readonly dryRun?: boolean;
}

const verbRules = {
  reason: anyText,
  actor: storableName,
  requestId: storableName,
  reapply: trueOrFalse,
  executionTimeout: duration,
  allowEffects: listOf(storableName),
};
const placeRules = { toSeq: wholeNumber(1), checkpoint: storableName };

const tables: Readonly<Record<Exclude<ForkVerb, 'retry' | 'skip' | 'replay'>, OptionTable>> = {
  fork: optionTable<ForkOptions>({
    ...verbRules,
    ...placeRules,
    ...unchecked('to'),
    workflowId: required(storableName),
  }),
  reset: optionTable<ResetOptions>({ ...verbRules, ...unchecked('to') }),
  recover: optionTable<RecoverOptions>({ ...verbRules, ...placeRules }),
  rollback: optionTable<RollbackOptions>({ ...verbRules, ...placeRules, dryRun: trueOrFalse }),
  restart: optionTable<ForkVerbOptions>(verbRules),
};

/** @throws INVALID_INPUT */
export function checkForkOptions(verb: keyof typeof tables, options: object): void {
  checkOptions(verb, options, tables[verb]);
}

const place = optionTable<ForkPlace>({ ...placeRules, ...unchecked('to') });

/** @throws INVALID_INPUT */
export function checkForkPlace(options: ForkPlace, verb: ForkVerb): void {
  checkOptions('effectsAfter', options, place);
  if (Object.hasOwn(forkKinds, verb)) return;
  const verbs = Object.keys(forkKinds).join(', ');
  throw new RuntimeError('INVALID_INPUT', `effectsAfter knows no verb ${JSON.stringify(verb)}. Pass one of ${verbs}.`);
}

/** @throws INVALID_INPUT */
export function pointOf(verb: ForkVerb, points: ForkPoints, { to, toSeq, checkpoint }: ForkPlace): number {
  const given = Object.entries({ to, toSeq, checkpoint }).filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    const names = given.map(([name]) => name).join(' and ');
    throw new RuntimeError('INVALID_INPUT', `${verb} was given ${names}: pass one of them.`);
  }
  if (to !== undefined) return points.before(to);
  if (toSeq !== undefined) return points.at(toSeq);
  if (checkpoint !== undefined || verb === 'recover') return points.atCheckpoint(checkpoint);
  if (verb === 'restart') return points.first;
  if (verb === 'fork') return points.last;
  const choices = verb === 'reset' ? 'to: a step' : 'toSeq or checkpoint';
  throw new RuntimeError('INVALID_INPUT', `${verb} needs a point: pass ${choices}.`);
}

/** @throws INVALID_INPUT */
export function forkRequest(
  verb: ForkVerb,
  { runId, point }: { readonly runId: string; readonly point: number },
  options: ForkVerbOptions & { readonly workflowId?: string },
): ForkRequest {
  const { reason, actor, requestId = randomUUID(), reapply, executionTimeout, allowEffects, workflowId } = options;
  return {
    ...{ requestId, verb, runId, point },
    reason: reason === undefined ? null : checkReason(verb, reason),
    actor: actor ?? null,
    reapplies: reapply ?? forkKinds[verb].reapplies,
    ...(workflowId === undefined ? {} : { workflowId }),
    ...(allowEffects === undefined ? {} : { allowEffects }),
    ...(executionTimeout === undefined
      ? {}
      : { executionDeadline: Math.ceil((Date.now() + optionMs('executionTimeout', executionTimeout)) * 1000) }),
  };
}
