// Paths of the engine's own parts of a bundle: TypeScript beside this file when run unbuilt, JavaScript in dist.
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const extension = extname(import.meta.url);

/** `path` is relative to this folder, without extension. */
function engineFile(path: string): string {
  return fileURLToPath(new URL(path + extension, import.meta.url));
}

/** Public modules that workflow code may import, with their files. */
export const workflowModules: ReadonlyMap<string, string> = new Map([
  ['reprise/workflow', engineFile('../../../sdk/workflow')],
  ['reprise/common', engineFile('../../../sdk/common')],
]);

export const assertFile: string = engineFile('../inside/assert');
export const encodingFile: string = engineFile('../inside/encoding');
export const bootFile: string = engineFile('../inside/boot');
