// The address of a step of a run, as people and programs write it: `type#n`, the n-th call of an activity type or the
// n-th event of an event type, from 1; otherwise the id of an activity. Pure; store/log/find-event.ts finds the event.
import { RuntimeError } from '../failure/runtime-error.ts';
import { describeValue } from '../json/json.ts';
import { type EventType, eventCode } from './event.ts';

export type EventAddress =
  | { readonly by: 'call'; readonly activityType: string; readonly number: number }
  | { readonly by: 'event'; readonly type: EventType; readonly number: number }
  | { readonly by: 'id'; readonly activityId: string };

const numbered = /^(.+)#(\d{1,9})$/s;

/** @throws INVALID_INPUT */
export function eventAddress(call: string, text: unknown): EventAddress {
  if (typeof text !== 'string' || text === '' || text.length > 1000) {
    const found = typeof text === 'string' ? `text of ${text.length} characters` : describeValue(text);
    throw new RuntimeError(
      'INVALID_INPUT',
      `${call}: the event is ${found}. Expected type#n (the n-th call of an activity type, or the n-th event of a type ` +
        'such as SignalReceived#1, from 1) or the id of an activity.',
    );
  }
  const match = numbered.exec(text);
  if (match === null) return { by: 'id', activityId: text };
  const [, type, digits] = match as unknown as [string, string, string];
  const number = Number(digits);
  if (number === 0) {
    throw new RuntimeError('INVALID_INPUT', `${call}: "${text}" names call 0, expected a number from 1.`);
  }
  return Object.hasOwn(eventCode, type)
    ? { by: 'event', type: type as EventType, number }
    : { by: 'call', activityType: type, number };
}

/** Whether the text has the form `type#n`. */
export function isNumberedAddress(text: string): boolean {
  return numbered.test(text);
}
