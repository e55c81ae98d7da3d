// The answers of the stack trace queries. Names and shapes are Temporal's, which its tools read.

export const stackTraceQueryName = '__stack_trace';
export const enhancedStackTraceQueryName = '__enhanced_stack_trace';

export interface StackTraceSDKInfo {
  readonly name: string;
  readonly version: string;
}

export interface StackTraceFileSlice {
  /** Number of the slice's first line, from 0. */
  readonly line_offset: number;
  readonly content: string;
}

export interface StackTraceFileLocation {
  /** Relative to the package of the workflows file; absent for code of the engine. */
  readonly file_path?: string;
  /** 1-based, as is the column. */
  readonly line?: number;
  readonly column?: number;
  /** For engine code: `sleep`, `condition`, `activity`. */
  readonly function_name?: string;
  readonly internal_code: boolean;
}

/** One wait, innermost frame first. */
export interface StackTrace {
  readonly locations: readonly StackTraceFileLocation[];
}

export interface EnhancedStackTrace {
  readonly sdk: StackTraceSDKInfo;
  readonly stacks: readonly StackTrace[];
  /** By file path; empty unless the worker has `showStackTraceSources`. */
  readonly sources: Readonly<Record<string, readonly StackTraceFileSlice[]>>;
}
