// The type name of a workflow that a caller passes as a function.
import { RuntimeError } from '../failure/runtime-error.ts';

/**
 * Returns anything but a function unchanged; the caller checks it as a name.
 * @throws INVALID_INPUT for a function without a name
 */
export function workflowNameOf(call: string, workflow: unknown): unknown {
  if (typeof workflow !== 'function') return workflow;
  if (workflow.name !== '') return workflow.name;
  throw new RuntimeError(
    'INVALID_INPUT',
    `${call}: the workflow function has no name. Pass the function that the workflows file exports, or its name as text.`,
  );
}
