// Answers to the two queries for stack traces, in Temporal's shapes.
import { createRequire } from 'node:module';
import {
  type EnhancedStackTrace,
  enhancedStackTraceQueryName,
  type StackTrace,
  type StackTraceFileSlice,
  stackTraceQueryName,
} from '../../core/run/stack-trace.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import { type WaitStack, waitText } from '../../sandbox/stacks/wait-tracer.ts';

export function isTraceQuery(name: string): boolean {
  return name === stackTraceQueryName || name === enhancedStackTraceQueryName;
}

export function traceAnswer(name: string, waits: readonly WaitStack[], sandbox: Sandbox): string | EnhancedStackTrace {
  return name === stackTraceQueryName ? stackTraceText(waits) : enhancedStackTrace(waits, sandbox);
}

/** Frames of each wait; waits are separated by blank lines. */
function stackTraceText(waits: readonly WaitStack[]): string {
  return waits.map(waitText).join('\n\n');
}

function stackTraceOf({ call, frames }: WaitStack): StackTrace {
  const locations = frames.map(({ functionName, file, line, column }) => ({
    file_path: file,
    ...(functionName === undefined ? {} : { function_name: functionName }),
    line,
    column,
    internal_code: false,
  }));
  return { locations: call === undefined ? locations : [{ function_name: call, internal_code: true }, ...locations] };
}

/** Includes the sources of all files in the trace, if the worker shows sources. */
function enhancedStackTrace(waits: readonly WaitStack[], sandbox: Sandbox): EnhancedStackTrace {
  const sources: Record<string, StackTraceFileSlice[]> = {};
  for (const file of new Set(waits.flatMap(({ frames }) => frames.map((frame) => frame.file)))) {
    const content = sandbox.shownSource(file);
    if (content !== undefined) sources[file] = [{ line_offset: 0, content }];
  }
  return { sdk: { name: 'reprise', version: packageVersion() }, stacks: waits.map(stackTraceOf), sources };
}

function packageVersion(): string {
  const { version } = createRequire(import.meta.url)('reprise/package.json') as { version: string };
  return version;
}
