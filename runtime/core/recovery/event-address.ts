// The address of an event of a run, as people and programs write it: `type#n`, the n-th call of an activity type or the
// n-th event of an event type, from 1; otherwise the id of an activity. Pure; store/log/find-event.ts finds the event.
import { type ActivityAddress, parseActivityAddress } from './activity-address.ts';
import { type EventType, eventCode } from '../log/event.ts';

export type EventAddress = ActivityAddress | { readonly by: 'event'; readonly type: EventType; readonly n: number };

const numbered = /^(.+)#([1-9]\d{0,8})$/;

/** @throws INVALID_INPUT */
export function eventAddress(text: unknown): EventAddress {
  const [, type, n] = (typeof text === 'string' && numbered.exec(text)) || [];
  if (type !== undefined && Object.hasOwn(eventCode, type))
    return { by: 'event', type: type as EventType, n: Number(n) };
  return parseActivityAddress(text);
}

/** Whether the text has the form `type#n`. */
export function isNumberedAddress(text: string): boolean {
  return numbered.test(text);
}
