// Steps through a replay in a debugger: replays in the calling thread with Node's inspector open, and waits for a debugger
// first. Breakpoints in the user's TypeScript files work.
import { open, url, waitForDebugger } from 'node:inspector';
import type { HistoryPages } from '../core/log/history-source.ts';
import type { WorkflowBundle } from '../sandbox/bundle/bundle.ts';
import { Sandbox } from '../sandbox/realm/sandbox.ts';
import { type MockedReplay, mockTools, type MockToolsOptions } from './mock/mock-tools.ts';

export interface DebugOptions {
  /** Port of the inspector on 127.0.0.1; default 9229. 0: a free one. */
  port?: number;
  /**
   * Stops where the code issues the command with this seq, or before it gets the input with this seq. Default 1: before
   * the code starts.
   */
  breakAt?: number;
}

const defaultPort = 9229;

/** `sourceFolder`: the folder of the sources. Node prints the address of the inspector to stderr. */
export async function debugReplay(
  source: HistoryPages,
  bundle: WorkflowBundle,
  options: MockToolsOptions,
  { port = defaultPort, breakAt = 1, sourceFolder }: DebugOptions & { readonly sourceFolder: string },
): Promise<MockedReplay> {
  const inspector = url() === undefined ? open(port, '127.0.0.1') : undefined;
  waitForDebugger();
  const sandbox = Sandbox.create(bundle, { deadlockTimeoutMs: Number.POSITIVE_INFINITY, sourceFolder });
  try {
    return await mockTools(source, sandbox, { ...options, breakAt });
  } finally {
    sandbox.dispose();
    inspector?.[Symbol.dispose]();
  }
}
