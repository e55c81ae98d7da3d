// What the stack trace queries answer. Names and shapes are Temporal's, which its tools read.

export const stackTraceQueryName = '__stack_trace';
export const enhancedStackTraceQueryName = '__enhanced_stack_trace';

export interface StackTraceSDKInfo {
  readonly name: string;
  readonly version: string;
}

/** A part of a source file. */
export interface StackTraceFileSlice {
  /** Line at which it begins, from 0. */
  readonly line_offset: number;
  readonly content: string;
}

export interface StackTraceFileLocation {
  /** Relative to the package of the workflows file; absent in the engine's code. */
  readonly file_path?: string;
  /** 1-based, as is the column. */
  readonly line?: number;
  readonly column?: number;
  /** Of ours: `sleep`, `condition`, `activity`. */
  readonly function_name?: string;
  readonly internal_code: boolean;
}

/** One wait: the innermost frame first. */
export interface StackTrace {
  readonly locations: readonly StackTraceFileLocation[];
}

export interface EnhancedStackTrace {
  readonly sdk: StackTraceSDKInfo;
  readonly stacks: readonly StackTrace[];
  /** By file path; empty unless the worker has `showStackTraceSources`. */
  readonly sources: Readonly<Record<string, readonly StackTraceFileSlice[]>>;
}
