// The runnable part of a document: the files in its code blocks, and the output of its program. A block is a file if
// its first line is a comment that contains only a file name. The block `text` after main.ts shows the output.
import { readFile } from 'node:fs/promises';

export interface Page {
  readonly files: ReadonlyMap<string, string>;
  /** Lines that main.ts prints, in this order. `…` matches any text. Empty if the page shows no output. */
  readonly output: readonly string[];
}

const block = /^```(\w*)\n([\s\S]*?)^```$/gm;
const fileName = /^\/\/ ([\w-]+\.(?:ts|json))\n/;

/** @throws if two blocks of the page have the same file name, or if the page shows a program without its output */
export async function readPage(path: string): Promise<Page> {
  const text = await readFile(path, 'utf8');
  const files = new Map<string, string>();
  let output: readonly string[] = [];
  for (const [, language, body = ''] of text.matchAll(block)) {
    const name = fileName.exec(body)?.[1];
    if (name !== undefined) {
      if (files.has(name)) throw new Error(`${path} has two blocks named ${name}: give them different names.`);
      files.set(name, body);
    } else if (language === 'text' && files.has('main.ts') && output.length === 0) {
      output = body.trim().split('\n');
    }
  }
  if (files.has('main.ts') && output.length === 0) {
    throw new Error(`${path} has a main.ts, but no block \`text\` after it that shows what it prints.`);
  }
  return { files, output };
}

/** The first shown line that the program did not print in this order. Undefined if it printed all of them. */
export function missingLine(shown: readonly string[], printed: string): string | undefined {
  const lines = printed.split('\n').map((line) => line.trim());
  let from = 0;
  for (const line of shown) {
    const at = lines.findIndex((printedLine, index) => index >= from && fits(printedLine, line.trim()));
    if (at < 0) return line;
    from = at + 1;
  }
  return undefined;
}

function fits(printed: string, shown: string): boolean {
  const [first = '', ...parts] = shown.split('…');
  if (parts.length === 0) return printed === shown;
  const last = parts.pop()!;
  let at = first.length;
  for (const part of parts) {
    const found = printed.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return printed.startsWith(first) && printed.endsWith(last) && printed.length >= at + last.length;
}
