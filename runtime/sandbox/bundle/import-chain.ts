// Describes how a disallowed module got into workflow code: the chain of imports from the workflows file, each with its
// line, and the remedy.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

/** One import of the chain. `to` is a file or the disallowed module. */
interface Link {
  readonly from: string;
  readonly to: string;
  readonly specifier: string;
}

export interface ImportGraph {
  readonly inputs: Metafile['inputs'];
  /** Folder that the paths in `inputs` are relative to. */
  readonly baseDir: string;
  readonly entry: string;
}

/** Shortest chain from the entry to `file`. */
function linksTo(graph: ImportGraph, file: string): Link[] {
  const arrivedBy = new Map<string, Link | undefined>([[graph.entry, undefined]]);
  for (const from of arrivedBy.keys()) {
    for (const { path: to, original, external } of graph.inputs[from]?.imports ?? []) {
      if (external !== true && !arrivedBy.has(to)) arrivedBy.set(to, { from, to, specifier: original ?? to });
    }
  }
  const links: Link[] = [];
  for (let link = arrivedBy.get(file); link !== undefined; link = arrivedBy.get(link.from)) links.unshift(link);
  // The bundler's standard input is not a file of the user.
  return links.filter((link) => link.from !== '<stdin>');
}

const typeImport = /^\s*(?:import|export)\s+type\b/;

/** `src/workflows.ts:3`, without the line when the import cannot be found in the text. */
function placeOf(graph: ImportGraph, { from, specifier }: Link): string {
  const lines = readFileSync(join(graph.baseDir, from), 'utf8').split('\n');
  const quoted = [`'${specifier}'`, `"${specifier}"`, `\`${specifier}\``];
  const index = lines.findIndex((line) => !typeImport.test(line) && quoted.some((text) => line.includes(text)));
  return index < 0 ? from : `${from}:${index + 1}`;
}

function isInPackage(file: string): boolean {
  return file.split('/').includes('node_modules');
}

function remedy(graph: ImportGraph, links: readonly Link[], specifier: string): string {
  const ignoring = `pass ignoreModules: ['${specifier}'] if it is never used inside a workflow`;
  const own = links.filter((link) => !isInPackage(link.from) && !isInPackage(link.to));
  const packaged = links.find((link) => isInPackage(link.to));
  const culprit = own.find((link) => /activit/i.test(link.to)) ?? (packaged === undefined ? own.at(-1) : undefined);
  if (packaged !== undefined && culprit === undefined) {
    return `Call '${packaged.specifier}' from an activity instead, or ${ignoring}.`;
  }
  if (culprit === undefined) return `Move the code that needs it to an activity, or ${ignoring}.`;
  return (
    `${placeOf(graph, culprit)} imports '${culprit.specifier}' by value: use \`import type\` there and call activities ` +
    `through proxyActivities. If the module is needed, move what uses '${specifier}' to another file, or ${ignoring}.`
  );
}

/** `importer`: a key of the graph. */
export function importChainText(graph: ImportGraph, importer: string, specifier: string): string {
  const last: Link = { from: importer, to: specifier, specifier };
  const links = linksTo(graph, importer);
  const chain = [...links.map((link) => link.from), importer, specifier].join(' → ');
  return `${placeOf(graph, last)}: '${specifier}' must not be imported by workflow code (${chain}). ${remedy(graph, links, specifier)}`;
}
