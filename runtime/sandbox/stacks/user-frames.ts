// Stacks as frames: which of them are the user's code, and where in the source files.
import type { SourcePositions } from './source-positions.ts';

/** One line of a stack. */
export interface StackFrame {
  readonly functionName: string | undefined;
  /** A caller that waits for the frame above, not one that called it just now. */
  readonly isAsync: boolean;
  /** As the stack calls it; undefined for built-ins. */
  readonly file: string | undefined;
  /** 1-based, as are columns; 0 for built-ins. */
  readonly line: number;
  readonly column: number;
}

/** A frame of workflow code, in terms of its source files. */
export interface UserFrame extends StackFrame {
  /** Relative to the package of the workflows file. */
  readonly file: string;
}

const framePattern = /^\s+at (async )?(?:(.+) \()?(.*?)(?::(\d+):(\d+))?\)?$/;

export function parseFrames(stack: string): StackFrame[] {
  const frames: StackFrame[] = [];
  for (const text of stack.split('\n')) {
    const found = framePattern.exec(text);
    if (found === null) continue;
    const [, isAsync, functionName, file, line, column] = found;
    frames.push({
      functionName: functionName?.endsWith('<anonymous>') === true ? undefined : functionName,
      isAsync: isAsync !== undefined,
      file: line === undefined ? undefined : file,
      line: Number(line ?? 0),
      column: Number(column ?? 0),
    });
  }
  return frames;
}

/** The frame in the user's source; undefined for the engine's, the host's and built-ins. */
export function userFrame(frame: StackFrame, positions: SourcePositions): UserFrame | undefined {
  if (frame.file !== positions.fileName) return undefined;
  const source = positions.source(frame.line, frame.column);
  return source === undefined ? undefined : { ...frame, ...source };
}

export function userFrames(stack: string, positions: SourcePositions): UserFrame[] {
  return parseFrames(stack).flatMap((frame) => userFrame(frame, positions) ?? []);
}

/** Whether the code is of a package that the user has installed. */
export function isOfLibrary({ file }: UserFrame): boolean {
  return file.includes('node_modules/');
}

/** `order (src/workflows.ts:12:5)`. */
export function frameText({ functionName, file, line, column }: UserFrame): string {
  const place = `${file}:${line}:${column}`;
  return functionName === undefined ? place : `${functionName} (${place})`;
}
