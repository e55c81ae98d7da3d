// The type of a workflow that is given as its function.
import { RuntimeError } from '../failure/runtime-error.ts';

/** What is no function is given back, to be checked as a name. @throws INVALID_INPUT for a function without a name */
export function workflowNameOf(call: string, workflow: unknown): unknown {
  if (typeof workflow !== 'function') return workflow;
  if (workflow.name !== '') return workflow.name;
  throw new RuntimeError(
    'INVALID_INPUT',
    `${call}: the workflow function has no name. Pass the one that the workflows' file exports, or its name as text.`,
  );
}
