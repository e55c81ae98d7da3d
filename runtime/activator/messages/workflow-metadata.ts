// What a workflow tells of itself: its handlers, and details in words. Names: Temporal's.
import { currentRun } from '../run/current-run.ts';
import type { QueryDefinition } from './message-definition.ts';
import { type HandlerDescription, metadataQueryName } from './queries.ts';

export interface WorkflowMetadata {
  readonly definition: {
    readonly type: string;
    readonly queryDefinitions: readonly HandlerDescription[];
    readonly signalDefinitions: readonly HandlerDescription[];
    readonly updateDefinitions: readonly HandlerDescription[];
  };
  /** Markdown. */
  readonly currentDetails: string;
}

/** Every workflow answers it. */
export const workflowMetadataQuery: QueryDefinition<WorkflowMetadata> = { type: 'query', name: metadataQueryName };

/** Markdown that people see beside the run, until it is set again. Not in the history: a replay sets it anew. */
export function setCurrentDetails(details: string): void {
  const run = currentRun('setCurrentDetails');
  run.turn.assertWritable();
  run.currentDetails = String(details);
}

export function getCurrentDetails(): string {
  return currentRun('getCurrentDetails').currentDetails;
}
