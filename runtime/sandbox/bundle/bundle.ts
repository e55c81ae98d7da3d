// Bundles workflow code for the sandbox, once per code version. `Worker.create({ workflowsPath })` bundles when it is
// called, or a build step bundles in advance. Reads files, writes none.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { bundlerHelperRule } from './bundler-helpers.ts';
import { editCode } from './code-edit.ts';
import { bundleCode, type BundledCode } from './esbuild-run.ts';
import { guardRule } from './loop-guard.ts';
import { ModulePolicy } from './module-policy.ts';
import { bundleShared } from './shared-bundle.ts';
import { SourcePositions } from '../stacks/source-positions.ts';

export interface BundleOptions {
  /** The file that exports the workflow functions, TypeScript or JavaScript. A path or a file URL. */
  readonly workflowsPath: string | URL;
  /**
   * Packages or files that are evaluated once for all runs and frozen. Their loops are not guarded. They must keep no
   * state that depends on a run. Put files of zod schemas here: creating one zod schema takes longer than running a
   * short workflow. zod and fast-json-patch are always preloaded when workflow code imports them.
   */
  readonly preloadModules?: readonly string[];
  /** Modules to replace by an empty one, because they are imported somewhere but never used inside a workflow. */
  readonly ignoreModules?: readonly string[];
}

export interface WorkflowBundle {
  /** The user's code with guards, evaluated for each run. */
  readonly code: string;
  readonly sourceMap: string;
  /** The engine's inside part and the preloaded modules, evaluated once. */
  readonly shared: string;
  /** SHA-256 of the other three parts, hex. */
  readonly hash: string;
}

/** A bundle, its JSON text, or the path of a file that holds it. */
export type WorkflowBundleOption = WorkflowBundle | { readonly code: string } | { readonly codePath: string };

function filePath(path: string | URL): string {
  const isUrl = path instanceof URL || path.startsWith('file:');
  return isUrl ? fileURLToPath(path) : resolve(path);
}

/** The folder that the paths of a bundle's sources are relative to. */
export function sourceFolderOf(workflowsPath: string | URL): string {
  return packageDirOf(filePath(workflowsPath));
}

function packageDirOf(file: string): string {
  for (let dir = dirname(file); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'package.json'))) return dir;
    if (dir === dirname(dir)) return dirname(file);
  }
}

function hashOf(bundle: Omit<WorkflowBundle, 'hash'>): string {
  const { code, sourceMap, shared } = bundle;
  return createHash('sha256')
    .update(JSON.stringify([code, sourceMap, shared]))
    .digest('hex');
}

/** @throws BUNDLE_FAILED with file and line: syntax error, missing file or module, disallowed import */
export async function bundleWorkflowCode(options: BundleOptions): Promise<WorkflowBundle> {
  const workflowsFile = filePath(options.workflowsPath);
  if (!existsSync(workflowsFile)) {
    throw new RuntimeError(
      'BUNDLE_FAILED',
      `workflowsPath ${workflowsFile} does not exist. Expected the file that exports the workflow functions, with its file ` +
        "extension, as an absolute path or `new URL('./workflows.ts', import.meta.url)`.",
    );
  }
  const { preloadModules = [], ignoreModules = [] } = options;
  const resolveDir = dirname(workflowsFile);
  const base = { workflowsFile, baseDir: packageDirOf(workflowsFile) };
  const policy = { preloadModules, ignoreModules, resolveDir };
  const ofUser = new ModulePolicy({ ...policy, holdsShared: false });
  const user = await bundleCode({ ...base, policy: ofUser, entry: { entryPoints: [workflowsFile] } });
  const ofShared = new ModulePolicy({ ...policy, holdsShared: true });
  const shared = await bundleShared({ ...base, policy: ofShared }, ofUser.preloaded);
  const code = instrumented(user, shared.esmIds, workflowsFile);
  const parts = { code, sourceMap: user.sourceMap, shared: shared.code };
  return { ...parts, hash: hashOf(parts) };
}

function instrumented(user: BundledCode, esmIds: ReadonlySet<string>, workflowsFile: string): string {
  try {
    return editCode(user.code, [guardRule, bundlerHelperRule(esmIds)]);
  } catch (error) {
    if (!(error instanceof SyntaxError) || !('loc' in error)) throw error;
    const { line, column } = error.loc as { line: number; column: number };
    const place = new SourcePositions(user, 'bundle').place(line, column + 1) ?? 'its bundle';
    throw new RuntimeError(
      'BUNDLE_FAILED',
      `Cannot bundle the workflow code of ${workflowsFile}:\n  ${place}: ${error.message}. Workflow code runs in strict mode.`,
      { cause: error },
    );
  }
}

/** @throws BUNDLE_FAILED when the bundle was not made by `bundleWorkflowCode`, or was changed afterwards */
export function loadBundle(option: WorkflowBundleOption): WorkflowBundle {
  if ('shared' in option) return checked(option, 'workflowBundle');
  const name = 'codePath' in option ? option.codePath : 'workflowBundle.code';
  const expected = 'Expected the JSON text of the result of bundleWorkflowCode() (`JSON.stringify(bundle)`).';
  try {
    const text = 'codePath' in option ? readFileSync(option.codePath, 'utf8') : option.code;
    return checked(JSON.parse(text) as Partial<WorkflowBundle>, name);
  } catch (error) {
    if (error instanceof RuntimeError) throw error;
    throw new RuntimeError('BUNDLE_FAILED', `Cannot read the workflow bundle ${name}. ${expected}`, { cause: error });
  }
}

function checked(bundle: Partial<WorkflowBundle>, name: string): WorkflowBundle {
  const { code, sourceMap, shared, hash } = bundle ?? {};
  if (
    code !== undefined &&
    sourceMap !== undefined &&
    shared !== undefined &&
    hash === hashOf({ code, sourceMap, shared })
  ) {
    return { code, sourceMap, shared, hash };
  }
  throw new RuntimeError(
    'BUNDLE_FAILED',
    `The workflow bundle ${name} is incomplete, or does not match its hash ${hash}. ` +
      'Expected the unchanged result of bundleWorkflowCode(). Bundle the code again.',
  );
}
