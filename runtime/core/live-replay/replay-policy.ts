// What a person allows a replay fork to do: the part of WorkflowForked that makes a fork a replay. Types, and the checks
// that need nothing but the policy. Pure.
import type { ActivityEffect } from '../activity/activity-effect.ts';

/** In `meta` of WorkflowForked. */
export interface ReplayPolicy {
  /** The run whose record answers calls. */
  readonly origin: string;
  /** The last event of the record that counts. */
  readonly head: number;
  /** Types of activities that may be entered, besides activities that are declared with effect 'none'. */
  readonly live: readonly string[];
  /** A call that the record answers is never entered (what-if). Otherwise, a call that may be entered always is. */
  readonly recordFirst?: true;
  /** Share of the calls that may be entered; the record answers the others. 0 to 1; absent: all. */
  readonly sample?: number;
  /** Timers wait for their time. Otherwise they fire at once, in the order of their due times. */
  readonly realTime?: true;
  /** Types of `unsafe` activities among `live` that may be entered. */
  readonly allowEffects?: readonly string[];
}

/** Goes with an activity of a replay fork to the worker that executes it. */
export interface LiveMark {
  /** A person has named the type. Otherwise, only a function that is declared with effect 'none' may be entered. */
  readonly named?: true;
  /** A person allows an `unsafe` function. */
  readonly unsafe?: true;
}

export function liveMark({ live, allowEffects = [] }: ReplayPolicy, type: string): LiveMark {
  return {
    ...(live.includes(type) ? { named: true as const } : {}),
    ...(allowEffects.includes(type) ? { unsafe: true as const } : {}),
  };
}

/** `type` of the failure of a live call that its worker refused to enter. */
export const notLiveType = 'ReplayNotLive';

/** Whether a function with this effect may be entered. The executing worker knows the function, so it decides. */
export function mayEnter(effect: ActivityEffect, { named, unsafe }: LiveMark): boolean {
  if (effect === 'none') return true;
  return named === true && (effect !== 'unsafe' || unsafe === true);
}

/** A result for an activity in place of the recorded one, encoded. `failed`: the payload is a failure. */
export interface GivenResult {
  /** An activity type, `type#n` (the n-th call of the type, from 1), or an activity id. The most exact one wins. */
  readonly key: string;
  readonly payload: Uint8Array;
  readonly failed: boolean;
}

/** What a caller asks for. */
export interface AskedReplay {
  readonly policy: ReplayPolicy;
  readonly results: readonly GivenResult[];
}

/** Finds the given result of each call. Counts the calls of each type, so it must see all of them, in order. */
export class GivenResults {
  readonly #byKey: ReadonlyMap<string, GivenResult>;
  readonly #counts = new Map<string, number>();

  constructor(results: readonly GivenResult[]) {
    this.#byKey = new Map(results.map((result) => [result.key, result]));
  }

  find(name: string, id: string): GivenResult | undefined {
    if (this.#byKey.size === 0) return undefined;
    const nth = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, nth);
    return this.#byKey.get(`${name}#${nth}`) ?? this.#byKey.get(id) ?? this.#byKey.get(name);
  }
}

/** Why a replay fork ended although its code had not: in `meta` of its WorkflowTerminated, under `replay`. */
export interface ReplayStop {
  /**
   * `not-live`: the code made a call that the record does not answer and that may not be entered. `end-of-log`: the code
   * waits for something that the record does not hold. `task-failed`: the code could not go on.
   */
  readonly why: 'not-live' | 'end-of-log' | 'task-failed';
  /** The calls that stopped the replay, or that the code waits for. */
  readonly calls: readonly StoppedCall[];
  readonly message?: string;
}

export interface StoppedCall {
  readonly kind: CallKind;
  readonly seq: number;
  readonly name: string;
  readonly id: string;
  /** `unsafe`: the call is `unsafe` and not allowed. */
  readonly problem?: 'undeclared' | 'unsafe';
}

export type CallKind = 'activity' | 'child' | 'message' | 'timer';

/** In `meta` of an input of a replay fork: the event of the record that it repeats, or the key of a given result. */
export interface ReplayedMeta {
  readonly from?: { readonly seq: number };
  readonly given?: string;
}
