// Runs esbuild with the settings for workflow code, and reports faults as BUNDLE_FAILED with file and line.
import { join, relative, sep } from 'node:path';
import { type BuildOptions, type BuildResult, build, type Message, type Metafile } from 'esbuild';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { importChainText } from './import-chain.ts';
import type { ModulePolicy } from './module-policy.ts';

export interface BundleRequest {
  /** For messages. */
  readonly workflowsFile: string;
  /** Paths in the bundle are relative to this folder, so that the same code gives the same bundle on every machine. */
  readonly baseDir: string;
  readonly entry: Pick<BuildOptions, 'entryPoints' | 'stdin'>;
  readonly policy: ModulePolicy;
}

export interface BundledCode {
  /** CommonJS, strict mode. */
  readonly code: string;
  /** JSON, with the text of the sources. */
  readonly sourceMap: string;
  /** Keys are paths relative to `baseDir`, with slashes. */
  readonly inputs: Metafile['inputs'];
}

/** Key in `inputs` of an absolute path. */
export function inputPath(baseDir: string, absolutePath: string): string {
  return relative(baseDir, absolutePath).split(sep).join('/');
}

function settings(request: BundleRequest): BuildOptions {
  return {
    ...request.entry,
    absWorkingDir: request.baseDir,
    outfile: join(request.baseDir, 'bundle.js'),
    bundle: true,
    write: false,
    metafile: true,
    logLevel: 'silent',
    format: 'cjs',
    target: 'node22',
    // Selects the browser builds of packages, which cannot use Node's modules either.
    platform: 'browser',
    define: { 'process.env.NODE_ENV': '"production"' },
    banner: { js: '"use strict";' },
    keepNames: true,
    legalComments: 'none',
    sourcemap: 'external',
    plugins: [request.policy.plugin()],
  };
}

function failed(request: BundleRequest, problems: readonly string[], cause?: unknown): RuntimeError {
  const shown = problems.slice(0, 10).map((problem) => `\n  ${problem}`);
  const more = problems.length > shown.length ? `\n  … and ${problems.length - shown.length} more` : '';
  const message = `Cannot bundle the workflow code of ${request.workflowsFile}:${shown.join('')}${more}`;
  return new RuntimeError('BUNDLE_FAILED', message, { cause });
}

function messageText({ text, location }: Message): string {
  const missing = /No matching export in "reprise:(\w+)" for import "(\w+)"/.exec(text);
  const what =
    missing === null
      ? text
      : `workflow code cannot use '${missing[2]}' of '${missing[1]}', because it is not deterministic. Use it in an activity`;
  return location === null ? what : `${location.file}:${location.line}:${location.column + 1}: ${what}`;
}

function isBuildFailure(error: unknown): error is { errors: Message[] } {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors);
}

async function run(request: BundleRequest): Promise<BuildResult> {
  try {
    return await build(settings(request));
  } catch (error) {
    if (!isBuildFailure(error)) throw error;
    throw failed(request, error.errors.map(messageText), error);
  }
}

/** @throws BUNDLE_FAILED for syntax errors, missing files and modules, and disallowed imports */
export async function bundleCode(request: BundleRequest): Promise<BundledCode> {
  const { outputFiles = [], metafile } = await run(request);
  const inputs = metafile?.inputs ?? {};
  const { disallowed } = request.policy;
  if (disallowed.length > 0) {
    const entry = request.entry.stdin === undefined ? inputPath(request.baseDir, request.workflowsFile) : '<stdin>';
    const graph = { inputs, baseDir: request.baseDir, entry };
    const chains = disallowed.map(({ importer, specifier }) => {
      return importChainText(graph, inputPath(request.baseDir, importer), specifier);
    });
    throw failed(request, chains.sort());
  }
  const [sourceMap, code] = outputFiles;
  return { code: code?.text ?? '', sourceMap: sourceMap?.text ?? '', inputs };
}
