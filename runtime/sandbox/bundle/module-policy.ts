// Decides which modules workflow code may import and where each comes from, as an esbuild plugin. Records disallowed
// imports instead of failing at once, so that all of them are reported together, each with its chain (import-chain.ts).
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
  /** Package names and paths, as the user wrote them, of modules that all runs share. */
  readonly preloadModules: readonly string[];
  /** Modules to replace by an empty one. */
  readonly ignoreModules: readonly string[];
  /** Folder from which preload modules are resolved: that of the workflows file. */
  readonly resolveDir: string;
  /**
   * True for the bundle in which shared modules are evaluated. False for the user's bundle, which gets them by
   * `require`.
   */
  readonly holdsShared: boolean;
}

/** `specifier` is the import's text, `importer` the absolute path of its file. */
export interface DisallowedImport {
  readonly specifier: string;
  readonly importer: string;
}

const builtins: ReadonlySet<string> = new Set(builtinModules.map(withoutScheme));

/** The deterministic part of these built-ins. Importing any other name fails like every missing export. */
const virtualModules: ReadonlyMap<string, string> = new Map([
  ['url', 'export const { URL, URLSearchParams } = globalThis;'],
  ['util', 'export const { TextEncoder, TextDecoder } = globalThis;'],
  ['assert', `module.exports = require(${JSON.stringify(assertFile)}).assertModule;`],
]);

const disallowedPackages: ReadonlySet<string> = new Set(['reprise', 'pg', 'kysely']);

/** Modules that need no entry in `preloadModules`: evaluating them would cost every run milliseconds. */
const preloadedPackages = ['zod', 'fast-json-patch'];

const namespace = 'reprise';

/** Marks the look-ups of this plugin, to distinguish them from the bundler's own. */
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

  /** Listed modules are evaluated even if workflow code does not import them: they may have side effects. */
  async #findPreloads(build: PluginBuild): Promise<OnStartResult> {
    const errors: PartialMessage[] = [];
    for (const name of this.#options.preloadModules) {
      const found = await this.#lookUp(build, { path: name, kind: 'import-statement' }, this.#options.resolveDir);
      if (found.errors.length === 0) this.preloaded.set(name, found.path);
      else
        errors.push({
          text: `preloadModules names '${name}', which cannot be resolved from ${this.#options.resolveDir}`,
        });
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
      // A package may replace a built-in (`events`), or its `browser` field may make the built-in unnecessary.
      const found = await this.#lookUp(build, args, args.resolveDir);
      return found.errors.length > 0 ? this.#disallow(args) : undefined;
    }
    return this.#preloadPackages.has(packageOf(name)) ? this.#resolvePreloaded(build, args) : undefined;
  }

  /**
   * Shares the module only if the import resolves to the same file as in the workflows file, because a dependency may
   * use another version.
   */
  async #resolvePreloaded(build: PluginBuild, args: OnResolveArgs): Promise<OnResolveResult | undefined> {
    if (this.#options.holdsShared) return undefined;
    const found = await this.#lookUp(build, args, args.resolveDir);
    const root = await this.#lookUp(build, args, this.#options.resolveDir);
    if (found.errors.length > 0 || found.path !== root.path) return undefined;
    // `import` and `require` of one name may resolve to two files.
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

  /** The shared bundle gets the file `found`, the user's bundle gets `require(id)`. */
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
