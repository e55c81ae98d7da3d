// Parses stacks into frames, and finds which frames are the user's code and where they are in the source files.
import type { SourcePositions } from './source-positions.ts';

export interface StackFrame {
  readonly functionName: string | undefined;
  /** True for a caller that awaits the frame above, false for a direct caller. */
  readonly isAsync: boolean;
  /** As the stack names it; undefined for built-ins. */
  readonly file: string | undefined;
  /** 1-based, as are columns; 0 for built-ins. */
  readonly line: number;
  readonly column: number;
}

/** A frame of workflow code, with its position in the source file instead of the bundle. */
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

/** The frame in the user's source; undefined for frames of the engine, the host and built-ins. */
export function userFrame(frame: StackFrame, positions: SourcePositions): UserFrame | undefined {
  if (frame.file !== positions.fileName) return undefined;
  const source = positions.source(frame.line, frame.column);
  return source === undefined ? undefined : { ...frame, ...source };
}

export function userFrames(stack: string, positions: SourcePositions): UserFrame[] {
  return parseFrames(stack).flatMap((frame) => userFrame(frame, positions) ?? []);
}

/** True when the code belongs to an installed package. */
export function isOfLibrary({ file }: UserFrame): boolean {
  return file.includes('node_modules/');
}

/** `order (src/workflows.ts:12:5)`. */
export function frameText({ functionName, file, line, column }: UserFrame): string {
  const place = `${file}:${line}:${column}`;
  return functionName === undefined ? place : `${functionName} (${place})`;
}
