// A package of workflow code on disk and a run of it: what sandbox tests need and a worker otherwise provides.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ActivationResult } from '../../../runtime/core/log/activation.ts';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { engineNumber } from '../../../runtime/core/log/engine-number.ts';
import type { NewEvent, HistoryEvent, Micros } from '../../../runtime/core/log/event.ts';
import { decodePayload, encodePayload } from '../../../runtime/core/payload/payload.ts';
import { type BundleOptions, bundleWorkflowCode } from '../../../runtime/sandbox/bundle/bundle.ts';
import { type ActiveRun, Sandbox, type SandboxOptions } from '../../../runtime/sandbox/realm/sandbox.ts';

export const startAt: Micros = Date.UTC(2026, 0, 2, 3, 4, 5) * 1000;

const packages = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/**
 * Files by path, in an empty package with `zod`, `ms` and `fast-json-patch` installed. The package is removed when the
 * test file ends.
 */
export function writePackage(files: Readonly<Record<string, string>>): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'reprise-sandbox-')));
  after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'node_modules'));
  for (const name of ['zod', 'ms', 'fast-json-patch'])
    symlinkSync(join(packages, name), join(root, 'node_modules', name));
  for (const [path, text] of Object.entries({ 'package.json': '{}', ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

type Sources = string | Readonly<Record<string, string>>;
type Options = SandboxOptions & Omit<BundleOptions, 'workflowsPath'>;

/**
 * Source text of workflows.ts, or of several files, of which the first has the workflows. The sandbox is disposed when
 * the test file ends.
 */
export async function sandboxOf(sources: Sources, options: Options = {}): Promise<Sandbox> {
  const files = typeof sources === 'string' ? { 'workflows.ts': sources } : sources;
  const root = writePackage(files);
  const { deadlockTimeoutMs, ...bundling } = options;
  const bundle = await bundleWorkflowCode({ workflowsPath: join(root, Object.keys(files)[0]!), ...bundling });
  const sandbox = Sandbox.create(bundle, deadlockTimeoutMs === undefined ? {} : { deadlockTimeoutMs });
  after(() => sandbox.dispose());
  return sandbox;
}

export function event(columns: NewEvent, at: Micros = startAt): HistoryEvent {
  return { ...columns, at, hash: null };
}

export interface StartOptions {
  readonly seed?: string;
  readonly at?: Micros;
  readonly runId?: string;
}

export const seedOne = '000102030405060708090a0b0c0d0e0f';

/** Starts a run and runs its first activation. */
export function startRun(
  sandbox: Sandbox,
  type: string,
  args: readonly unknown[] = [],
  { seed = seedOne, at = startAt, runId = `run of ${type}` }: StartOptions = {},
): { run: ActiveRun; result: ActivationResult } {
  const run = sandbox.createRun(runId);
  const meta = JSON.stringify({ workflowId: 'w', taskQueue: 'q', namespace: 'default', seed, engine: engineNumber });
  const started = event(newEvent(1, 'WorkflowStarted', { name: type, payload: encodePayload(args), meta }), at);
  return { run, result: run.activate({ at, inputs: [started], nextSeq: 2 }) };
}

/** The result of a run in its first activation, or the failure of its task. */
export function outcome(result: ActivationResult): unknown {
  if (!result.ok) return result.failure;
  const completed = result.outputs.find((output) => output.type === 'WorkflowCompleted');
  const payload = completed?.payload ?? undefined;
  return payload === undefined ? result.outputs.map((output) => output.type) : decodePayload(payload);
}

/** Runs a workflow that needs only one activation. */
export function runOnce(
  sandbox: Sandbox,
  type: string,
  args: readonly unknown[] = [],
  options?: StartOptions,
): unknown {
  return outcome(startRun(sandbox, type, args, options).result);
}
