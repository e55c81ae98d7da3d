// Bundles of the fixtures' workflow code. `npm test` sets a folder in REPRISE_TEST_BUNDLES, so that each file is
// bundled once for all processes. Without the variable, each process bundles a file once. Never bundles code that a
// test writes.
import { mkdtempSync, rmSync } from 'node:fs';
import { rename, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode } from '../../runtime/sandbox/bundle/bundle.ts';

export interface FixtureBundle {
  readonly codePath: string;
}

const bundles = new Map<string, Promise<FixtureBundle>>();
let ownFolder: string | undefined;

/** The bundle of a file in `fixtures`, as a value for the worker option `workflowBundle`. */
export function fixtureBundle(file: string): Promise<FixtureBundle> {
  let bundle = bundles.get(file);
  if (bundle === undefined) {
    bundle = bundleOnce(file, join(bundleFolder(), `${file}.json`));
    bundles.set(file, bundle);
  }
  return bundle;
}

async function bundleOnce(file: string, codePath: string): Promise<FixtureBundle> {
  const made = await stat(codePath).catch(() => undefined);
  if (made === undefined) {
    const workflowsPath = new URL(`./fixtures/${file}`, import.meta.url);
    const partial = `${codePath}.${process.pid}`;
    await writeFile(partial, JSON.stringify(await bundleWorkflowCode({ workflowsPath })));
    await rename(partial, codePath);
  }
  return { codePath };
}

function bundleFolder(): string {
  const given = process.env['REPRISE_TEST_BUNDLES'];
  if (given !== undefined) return given;
  if (ownFolder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'reprise-bundles-'));
    process.once('exit', () => rmSync(made, { recursive: true }));
    ownFolder = made;
  }
  return ownFolder;
}
