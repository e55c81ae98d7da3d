// The queries that every run answers with where it waits. A worker answers them by running the code once more, watched.
import {
  type EnhancedStackTrace,
  enhancedStackTraceQueryName,
  stackTraceQueryName,
} from '../../core/run/stack-trace.ts';
import type { QueryDefinition } from './message-definition.ts';

/** Where the run waits: frames of user code for each wait, with what it called; blank lines between waits. */
export const stackTraceQuery: QueryDefinition<string> = { type: 'query', name: stackTraceQueryName };

/** The same as data, with the sources if the worker shows them. */
export const enhancedStackTraceQuery: QueryDefinition<EnhancedStackTrace> = {
  type: 'query',
  name: enhancedStackTraceQueryName,
};
