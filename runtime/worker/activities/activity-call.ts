// How the attempt of an activity ends that the worker does not have.
import { ApplicationFailure } from '../../core/failure/failure.ts';
import type { Activities } from './activity-context.ts';

export function notRegistered(activities: Activities, type: string): ApplicationFailure {
  const names = JSON.stringify(Object.keys(activities));
  const message = `Activity function ${type} is not registered on this Worker, available activities: ${names}`;
  return ApplicationFailure.create({ type: 'NotFoundError', message });
}
