// Makes the first two turns of a fork from its plan: the fork itself, and what it carries over. Pure: the caller passes
// sha256.
import type { HistoryEvent, Micros } from '../log/event.ts';
import type { Sha256 } from '../log/hash-chain.ts';
import { newEvent } from '../log/new-event.ts';
import { type LogHead, sealTurn, turnTime } from '../run/seal-turn.ts';
import type { ForkPlan } from './fork-plan.ts';

/** Where the fork begins: the end of its line, and the events there that no hash covers yet. */
export interface ForkBase {
  readonly head: LogHead;
  readonly unhashed: readonly HistoryEvent[];
}

export function sealFork({ head, unhashed }: ForkBase, plan: ForkPlan, now: Micros, sha256: Sha256): HistoryEvent[] {
  const newEvents = [plan.forked, ...plan.applied];
  const first = sealTurn(head, unhashed, { newEvents, at: turnTime(head, now) }, sha256);
  if (plan.carried.length === 0) return first.events;
  const { seq, at, hash } = first.events.at(-1)!;
  const second: LogHead = { ...head, seq, at, hash: hash! };
  const carried = [...plan.carried, newEvent(0, 'WorkflowTaskDeferred')];
  return [...first.events, ...sealTurn(second, [], { newEvents: carried, at: turnTime(second, now) }, sha256).events];
}
