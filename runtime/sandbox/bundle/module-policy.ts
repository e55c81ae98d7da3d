// Which modules workflow code may import, and where each comes from, as an esbuild plugin. Disallowed imports do not
// fail here: they are recorded, so that all of them can be told at once, each with its chain (import-chain.ts).
import { builtinModules } from 'node:module';
import { dirname } from 'node:path';
import type {
  OnResolveArgs,
  OnResolveResult,
  OnStartResult,
  PartialMessage,
  Plugin,
  PluginBuild,
  ResolveResult,
} from 'esbuild';
import { assertFile, workflowModules } from './engine-files.ts';

export interface ModulePolicyOptions {
  /** Package names, and paths as the user wrote them, of modules that all runs share. */
  readonly preloadModules: readonly string[];
  /** Modules that are replaced by an empty one. */
  readonly ignoreModules: readonly string[];
  /** Folder that preload modules are resolved from: that of the workflows file. */
  readonly resolveDir: string;
  /** True for the bundle that shared modules are evaluated in, false for the user's, which gets them by `require`. */
  readonly holdsShared: boolean;
}

/** `specifier` is what the code asks for, `importer` the absolute path of the file that does. */
export interface DisallowedImport {
  readonly specifier: string;
  readonly importer: string;
}

const builtins: ReadonlySet<string> = new Set(builtinModules.map(withoutScheme));

/** Of these builtins the deterministic part; importing another name fails like any missing export. */
const virtualModules: ReadonlyMap<string, string> = new Map([
  ['url', 'export const { URL, URLSearchParams } = globalThis;'],
  ['util', 'export const { TextEncoder, TextDecoder } = globalThis;'],
  ['assert', `module.exports = require(${JSON.stringify(assertFile)}).assertModule;`],
]);

const disallowedPackages: ReadonlySet<string> = new Set(['reprise', 'pg', 'kysely']);

/** Modules of these names need no entry in `preloadModules`: their evaluation would cost every run milliseconds. */
const preloadedPackages = ['zod', 'fast-json-patch'];

/** Of modules that have no file. */
const namespace = 'reprise';

/** Tells our own look-ups from those of the bundler. */
const ownLookup = Symbol('own look-up');

function withoutScheme(specifier: string): string {
  return specifier.startsWith('node:') ? specifier.slice(5) : specifier;
}

/** `@scope/name/sub` → `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

export function isRelativeOrAbsolute(specifier: string): boolean {
  return /^(\.|\/|[a-z]:[\\/])/i.test(specifier);
}

export class ModulePolicy {
  /** Preloaded modules: id in `require(id)` to absolute path. */
  readonly preloaded: Map<string, string> = new Map();
  readonly disallowed: DisallowedImport[] = [];
  readonly #options: ModulePolicyOptions;
  readonly #ignored: readonly string[];
  readonly #preloadPackages: ReadonlySet<string>;

  constructor(options: ModulePolicyOptions) {
    this.#options = options;
    this.#ignored = options.ignoreModules.map(withoutScheme);
    const packages = options.preloadModules.filter((name) => !isRelativeOrAbsolute(name)).map(packageOf);
    this.#preloadPackages = new Set([...preloadedPackages, ...packages]);
  }

  plugin(): Plugin {
    return { name: 'reprise-module-policy', setup: (build) => this.#setup(build) };
  }

  #setup(build: PluginBuild): void {
    build.onResolve({ filter: /^[^./]/ }, (args) => (isOurs(args) ? undefined : this.#resolveBare(build, args)));
    if (!this.#options.holdsShared && this.#options.preloadModules.length > 0) {
      build.onStart(() => this.#findPreloads(build));
      build.onResolve({ filter: /^[./]/ }, (args) => (isOurs(args) ? undefined : this.#resolvePath(build, args)));
    }
    const resolveDir = dirname(assertFile);
    const contents = (path: string): string => virtualModules.get(path) ?? 'module.exports = {};';
    build.onLoad({ filter: /.*/, namespace }, ({ path }) => ({ contents: contents(path), resolveDir }));
  }

  /** Listed modules are evaluated whether or not workflow code imports them: they may be there for their effect. */
  async #findPreloads(build: PluginBuild): Promise<OnStartResult> {
    const errors: PartialMessage[] = [];
    for (const name of this.#options.preloadModules) {
      const found = await this.#lookUp(build, { path: name, kind: 'import-statement' }, this.#options.resolveDir);
      if (found.errors.length === 0) this.preloaded.set(name, found.path);
      else errors.push({ text: `preloadModules names '${name}', which is not found from ${this.#options.resolveDir}` });
    }
    return { errors };
  }

  async #resolveBare(build: PluginBuild, args: OnResolveArgs): Promise<OnResolveResult | undefined> {
    const name = withoutScheme(args.path);
    if (this.#ignored.some((ignored) => name === ignored || name.startsWith(`${ignored}/`))) {
      return { path: `ignored:${name}`, namespace };
    }
    if (name === 'assert' || name === 'assert/strict') return this.#give('assert', { path: 'assert', namespace });
    if (virtualModules.has(name)) return { path: name, namespace };
    const ours = workflowModules.get(name);
    if (ours !== undefined) return this.#give(name, { path: ours });
    if (disallowedPackages.has(packageOf(name))) return this.#disallow(args);
    if (builtins.has(name) || name !== args.path) {
      // A package may stand in for a builtin (`events`), or say by its `browser` field that it can do without.
      const found = await this.#lookUp(build, args, args.resolveDir);
      return found.errors.length > 0 ? this.#disallow(args) : undefined;
    }
    return this.#preloadPackages.has(packageOf(name)) ? this.#resolvePreloaded(build, args) : undefined;
  }

  /** Shared only when it is the same file that the workflows file gets: a dependency may hold another version. */
  async #resolvePreloaded(build: PluginBuild, args: OnResolveArgs): Promise<OnResolveResult | undefined> {
    if (this.#options.holdsShared) return undefined;
    const found = await this.#lookUp(build, args, args.resolveDir);
    const root = await this.#lookUp(build, args, this.#options.resolveDir);
    if (found.errors.length > 0 || found.path !== root.path) return undefined;
    // `import` and `require` of one name may be two files.
    const id = args.kind === 'require-call' ? `${args.path}?require` : args.path;
    this.preloaded.set(id, found.path);
    return { path: id, external: true };
  }

  async #resolvePath(build: PluginBuild, args: OnResolveArgs): Promise<OnResolveResult | undefined> {
    const found = await this.#lookUp(build, args, args.resolveDir);
    for (const [id, path] of this.preloaded) if (path === found.path) return { path: id, external: true };
    return undefined;
  }

  #lookUp(build: PluginBuild, args: Pick<OnResolveArgs, 'path' | 'kind'>, resolveDir: string): Promise<ResolveResult> {
    return build.resolve(args.path, { kind: args.kind, resolveDir, pluginData: ownLookup });
  }

  /** What the shared bundle holds: there it is `found`, in the user's bundle `require(id)`. */
  #give(id: string, found: OnResolveResult): OnResolveResult {
    return this.#options.holdsShared ? found : { path: id, external: true };
  }

  #disallow(args: OnResolveArgs): OnResolveResult {
    this.disallowed.push({ specifier: args.path, importer: args.importer });
    return { path: args.path, external: true };
  }
}

function isOurs(args: OnResolveArgs): boolean {
  return args.pluginData === ownLookup || args.kind === 'entry-point';
}
