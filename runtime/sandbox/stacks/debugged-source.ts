// Workflow code as a debugger gets it: without guards, and with a source map that names the user's files by URL, so that
// breakpoints in TypeScript work.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { PositionedCode } from './source-positions.ts';

/** A function around the code. The code's first line is the bundler's, so no mapped column moves. */
export function debuggedSource(
  parameters: readonly string[],
  { code, sourceMap }: PositionedCode,
  folder: string,
): string {
  const map = JSON.parse(sourceMap) as { sources: readonly string[] };
  const sources = map.sources.map((source) => pathToFileURL(resolve(folder, source)).href);
  const encoded = Buffer.from(JSON.stringify({ ...map, sources })).toString('base64');
  const comment = `//# sourceMappingURL=data:application/json;base64,${encoded}`;
  return `(function (${parameters.join(', ')}) {${code}\n})\n${comment}\n`;
}
