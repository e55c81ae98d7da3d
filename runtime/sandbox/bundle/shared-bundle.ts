// Builds the shared bundle, which is evaluated once per vm context: the engine's inside part, the exports of
// `reprise/workflow` and `reprise/common`, and the preloaded modules.
import { bootFile, encodingFile, workflowModules } from './engine-files.ts';
import { type BundleRequest, bundleCode, inputPath } from './esbuild-run.ts';
import { isRelativeOrAbsolute } from './module-policy.ts';

export interface SharedBundle {
  readonly code: string;
  /** Ids whose `require` returns the namespace object of an ES module. */
  readonly esmIds: ReadonlySet<string>;
}

function requires(modules: ReadonlyMap<string, string>): string {
  const sorted = [...modules].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([id, path]) => `${JSON.stringify(id)}: require(${JSON.stringify(path)}),`).join(' ');
}

function only(modules: ReadonlyMap<string, string>, isWanted: (id: string) => boolean): Map<string, string> {
  return new Map([...modules].filter(([id]) => isWanted(id)));
}

/** The order matters: encoders first, then the engine, which makes globals deterministic before libraries see them. */
function entryCode(preloaded: ReadonlyMap<string, string>): string {
  return [
    `import ${JSON.stringify(encodingFile)};`,
    `import { boot } from ${JSON.stringify(bootFile)};`,
    'export const start = boot(() => ({',
    `  engine: { ${requires(workflowModules)} },`,
    `  files: { ${requires(only(preloaded, isRelativeOrAbsolute))} },`,
    `  packages: { ${requires(only(preloaded, (id) => !isRelativeOrAbsolute(id)))} },`,
    '}));',
  ].join('\n');
}

/** `preloaded`: id to absolute path. @throws BUNDLE_FAILED */
export async function bundleShared(
  request: Omit<BundleRequest, 'entry'>,
  preloaded: ReadonlyMap<string, string>,
): Promise<SharedBundle> {
  const stdin = { contents: entryCode(preloaded), resolveDir: request.baseDir };
  const { code, inputs } = await bundleCode({ ...request, entry: { stdin } });
  const isEsm = (path: string): boolean => inputs[inputPath(request.baseDir, path)]?.format === 'esm';
  const libraries = [...preloaded].filter(([, path]) => isEsm(path)).map(([id]) => id);
  return { code, esmIds: new Set([...workflowModules.keys(), 'assert', ...libraries]) };
}
