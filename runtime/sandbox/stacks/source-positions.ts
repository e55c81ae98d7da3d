// Maps positions in the evaluated workflow code back to the user's source files. Parses the source map only on demand,
// after something has failed.
import { SourceMap } from 'node:module';
import { closeMark } from '../bundle/code-edit.ts';
import { insertedGuard } from '../bundle/loop-guard.ts';

export interface PositionedCode {
  readonly code: string;
  /** JSON. Made before the guards were inserted. */
  readonly sourceMap: string;
}

const closing = `${closeMark.replaceAll('*', '\\*')}[)}]`;
const inserted = new RegExp(`${insertedGuard.source}|${closing}`, 'g');

/** The code as the bundler made it, without inserted guards. Positions in this code match the source map. */
export function withoutInsertions(code: string): string {
  return code.replaceAll(inserted, '');
}

/** A place in a source file. Line and column are 1-based. */
export interface SourcePlace {
  /** Relative to the package of the workflows file. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

const hostFrame = /^\s+at .*(?:file:\/\/|node:)/;

export class SourcePositions {
  /** Name of the code in stacks. */
  readonly fileName: string;
  readonly #bundle: PositionedCode;
  readonly #framePattern: RegExp;
  #parsed: { readonly map: SourceMap; readonly lines: readonly string[] } | undefined;

  constructor(bundle: PositionedCode, fileName: string) {
    this.fileName = fileName;
    this.#bundle = bundle;
    this.#framePattern = new RegExp(`${fileName.replaceAll('.', '\\.')}:(\\d+):(\\d+)`, 'g');
  }

  /**
   * Rewrites every position of workflow code in a text to `src/workflows.ts:12:5`, and removes inserted guards from
   * quoted code.
   */
  mapText(text: string): string {
    return withoutInsertions(text).replaceAll(this.#framePattern, (frame, line: string, column: string) => {
      return this.place(Number(line), Number(column)) ?? frame;
    });
  }

  /** Also drops frames of the host, which called the code. */
  mapStack(stack: string): string {
    const lines = stack.split('\n').filter((line) => !hostFrame.test(line));
    return this.mapText(lines.join('\n'));
  }

  /** 1-based; undefined for code that the bundler added. */
  place(line: number, column: number): string | undefined {
    const source = this.source(line, column);
    return source && `${source.file}:${source.line}:${source.column}`;
  }

  /** 1-based; undefined for code that the bundler added. */
  source(line: number, column: number): SourcePlace | undefined {
    this.#parsed ??= {
      map: new SourceMap(JSON.parse(this.#bundle.sourceMap)),
      lines: this.#bundle.code.split('\n'),
    };
    const before = this.#parsed.lines[line - 1]?.slice(0, column - 1) ?? '';
    const entry = this.#parsed.map.findEntry(line - 1, withoutInsertions(before).length);
    if (!('originalSource' in entry) || entry.originalSource === undefined) return undefined;
    return { file: entry.originalSource, line: entry.originalLine + 1, column: entry.originalColumn + 1 };
  }

  /** Text of a source file by its path, if the bundle holds it. */
  text(file: string): string | undefined {
    const { sources, sourcesContent } = JSON.parse(this.#bundle.sourceMap) as {
      sources: readonly string[];
      sourcesContent?: readonly (string | null)[];
    };
    return sourcesContent?.[sources.indexOf(file)] ?? undefined;
  }
}
