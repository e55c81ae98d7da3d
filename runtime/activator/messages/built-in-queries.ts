// The queries that every run answers without a handler of its own: where it waits, and what handlers it has. A worker
// answers the first two by running the code once more, watched. Names and texts: Temporal's.
import {
  type EnhancedStackTrace,
  enhancedStackTraceQueryName,
  stackTraceQueryName,
} from '../../core/run/stack-trace.ts';
import type { QueryDefinition } from './message-definition.ts';

export const metadataQueryName = '__temporal_workflow_metadata';

/** A handler as people see it. */
export interface HandlerDescription {
  readonly name: string;
  readonly description?: string;
}

/** What every run answers, before its own: Temporal's, in its order. */
export const builtIn: readonly HandlerDescription[] = [
  { name: stackTraceQueryName, description: 'Returns a sensible stack trace.' },
  { name: enhancedStackTraceQueryName, description: 'Returns a stack trace annotated with source information.' },
  { name: metadataQueryName, description: 'Returns metadata associated with this workflow.' },
];

/** Where the run waits: frames of user code for each wait, with what it called; blank lines between waits. */
export const stackTraceQuery: QueryDefinition<string> = { type: 'query', name: stackTraceQueryName };

/** The same as data, with the sources if the worker shows them. */
export const enhancedStackTraceQuery: QueryDefinition<EnhancedStackTrace> = {
  type: 'query',
  name: enhancedStackTraceQueryName,
};

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
