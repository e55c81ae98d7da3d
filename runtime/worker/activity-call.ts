// What stands between an activity's name and its function, and between what it returned and the log.
import { ApplicationFailure } from '../history/failure.ts';
import { encodePayload } from '../history/payload.ts';
import { RuntimeError } from '../history/runtime-error.ts';
import type { ActivityFunction } from './activity-context.ts';

/** The functions of a worker; one called `default` stands for all names that have none. */
export type ActivityMap = Readonly<Record<string, ActivityFunction>>;

export function activityNamed(activities: ActivityMap, type: string): ActivityFunction | undefined {
  return Object.hasOwn(activities, type) ? activities[type] : activities['default'];
}

/** How the attempt of an activity ends that the worker does not have. */
export function notRegistered(activities: ActivityMap, type: string): ApplicationFailure {
  const names = JSON.stringify(Object.keys(activities).sort());
  const message = `Activity function ${type} is not registered on this Worker, available activities: ${names}`;
  return ApplicationFailure.create({ type: 'NotFoundError', message });
}

/** @throws what the attempt is to fail with, and not to be tried again: it would repeat the effect and end the same way */
export function encodeResult(type: string, result: unknown, maxPayloadBytes: number): Uint8Array {
  let payload: Uint8Array;
  try {
    payload = encodePayload(result);
  } catch (error) {
    throw error instanceof RuntimeError ? ApplicationFailure.nonRetryable(error.message, error.code) : error;
  }
  if (payload.length <= maxPayloadBytes) return payload;
  throw ApplicationFailure.nonRetryable(
    `Result of activity ${type} has ${payload.length} bytes, the limit is ${maxPayloadBytes}. ` +
      'Return a reference to it, or raise maxPayloadBytes.',
    'PAYLOAD_TOO_LARGE',
  );
}
