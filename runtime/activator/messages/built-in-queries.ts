// The queries that every run answers without a handler of its own: where it waits, and which handlers it has. To answer
// the two stack trace queries, a worker runs the code once more with tracing. Names and texts are Temporal's.
import {
  type EnhancedStackTrace,
  enhancedStackTraceQueryName,
  stackTraceQueryName,
} from '../../core/run/stack-trace.ts';
import type { QueryDefinition } from './message-definition.ts';

export const metadataQueryName = '__temporal_workflow_metadata';

export interface HandlerDescription {
  readonly name: string;
  readonly description?: string;
}

/** Queries that every run answers, in Temporal's order. They precede the run's own queries. */
export const builtIn: readonly HandlerDescription[] = [
  { name: stackTraceQueryName, description: 'Returns a sensible stack trace.' },
  { name: enhancedStackTraceQueryName, description: 'Returns a stack trace annotated with source information.' },
  { name: metadataQueryName, description: 'Returns metadata associated with this workflow.' },
];

/** Where the run waits: frames of user code for each wait, with the called function, separated by blank lines. */
export const stackTraceQuery: QueryDefinition<string> = { type: 'query', name: stackTraceQueryName };

/** The same as data, with sources if the worker shows them. */
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

export const workflowMetadataQuery: QueryDefinition<WorkflowMetadata> = { type: 'query', name: metadataQueryName };
