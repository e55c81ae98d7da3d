// A debugger that is attached to a replay: speaks the inspector's protocol as an editor does.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { SourceMap } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { testEngine } from '../support/engine.ts';
import { writePackage } from '../unit/sandbox/workflow-files.ts';

const source = `import { proxyActivities } from 'reprise/workflow';
interface Acts { greet(name: string): Promise<string> }
const { greet } = proxyActivities<Acts>({ startToCloseTimeout: '10s' });
export async function order(name: string): Promise<string> {
  const first: string = await greet(name);
  for (let round = 0; round < 3; round++) first.trim();
  const second: string = await greet(first + '!');
  return second;
}
`;
const file = join(writePackage({ 'src/flows.ts': source }), 'src/flows.ts');
const activities = { greet: async (name: string): Promise<string> => `hello ${name}` };
const engine = await testEngine({ workflowsPath: file, activities });
const handle = await engine.start('order', ['ann'], 'order-1');
await handle.result();

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params: Record<string, never>;
  readonly result: Record<string, never>;
}
interface Location {
  readonly scriptId: string;
  readonly lineNumber: number;
}
interface CallFrame {
  readonly callFrameId: string;
  readonly functionName: string;
  readonly location: Location;
}

class Debugger {
  readonly #socket: WebSocket;
  readonly #seen: Message[] = [];
  #wake: (() => void) | undefined;
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      this.#seen.push(JSON.parse(String(data)) as Message);
      this.#wake?.();
    });
  }

  static async attach(url: string): Promise<Debugger> {
    const socket = new WebSocket(url);
    await once(socket, 'open');
    return new Debugger(socket);
  }

  async send<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.#id;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return (await this.#find((message) => message.id === id)).result as T;
  }

  async event<T>(method: string, fits: (params: T) => boolean = () => true): Promise<T> {
    return (await this.#find((message) => message.method === method && fits(message.params as T))).params as T;
  }

  async #find(fits: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const at = this.#seen.findIndex(fits);
      if (at >= 0) return this.#seen.splice(at, 1)[0]!;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  close(): void {
    this.#socket.close();
  }
}

interface Debugged {
  readonly debug: Debugger;
  /** Runs the rest. Resolves with the exit code and stdout. */
  finish(): Promise<{ code: number; out: string }>;
}

async function debugged(...args: string[]): Promise<Debugged> {
  const cli = fileURLToPath(new URL('../../server/cli.ts', import.meta.url));
  const options = ['--mode', 'MOCK_TOOLS', '--inspect=0', ...args, '--json'];
  const child = spawn(process.execPath, ['-C', 'reprise-source', cli, 'replay', 'order-1', ...options], {
    env: { ...process.env, REPRISE_DATABASE_URL: engine.url },
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data) => (out += String(data)));
  const url = await new Promise<string>((resolve) => {
    child.stderr.on('data', (data) => {
      err += String(data);
      const found = /ws:\/\/\S+/.exec(err)?.[0];
      if (found !== undefined) resolve(found);
    });
  });
  const exited = once(child, 'exit');
  const debug = await Debugger.attach(url);
  await debug.send('Runtime.enable');
  await debug.send('Debugger.enable');
  await debug.send('Runtime.runIfWaitingForDebugger');
  return {
    debug,
    async finish() {
      await debug.send('Debugger.resume');
      const [code] = (await exited) as [number];
      debug.close();
      return { code, out };
    },
  };
}

test('a breakpoint in the TypeScript source is hit, and variables have their values', async () => {
  const { debug, finish } = await debugged('--code', file);
  const script = await debug.event<{ scriptId: string; url: string; sourceMapURL: string }>(
    'Debugger.scriptParsed',
    ({ url }) => url.startsWith('reprise-workflows-'),
  );
  await debug.event('Debugger.paused'); // before the code starts
  const prefix = 'data:application/json;base64,';
  assert.ok(script.sourceMapURL.startsWith(prefix));
  const map = new SourceMap(JSON.parse(Buffer.from(script.sourceMapURL.slice(prefix.length), 'base64').toString()));
  const { scriptSource } = await debug.send<{ scriptSource: string }>('Debugger.getScriptSource', {
    scriptId: script.scriptId,
  });
  assert.doesNotMatch(scriptSource, /__repriseGuard\(\)/);
  const lines = scriptSource.split('\n');
  const lineNumber = lines.findIndex((line) => line.includes('const second'));
  const columnNumber = lines[lineNumber]!.indexOf('await greet');
  const entry = map.findEntry(lineNumber, columnNumber);
  assert.ok('originalSource' in entry);
  assert.deepEqual([entry.originalSource, entry.originalLine], [pathToFileURL(file).href, 6]);
  await debug.send('Debugger.setBreakpointByUrl', { lineNumber, url: script.url });
  await debug.send('Debugger.resume');
  const paused = await debug.event<{ callFrames: CallFrame[]; hitBreakpoints: string[] }>('Debugger.paused');
  assert.equal(paused.hitBreakpoints.length, 1);
  const [frame] = paused.callFrames;
  assert.deepEqual([frame?.functionName, frame?.location.lineNumber], ['order', lineNumber]);
  const { result } = await debug.send<{ result: { value: string } }>('Debugger.evaluateOnCallFrame', {
    callFrameId: frame!.callFrameId,
    expression: 'first',
  });
  assert.equal(result.value, 'hello ann');
  const { code, out } = await finish();
  assert.equal(code, 0);
  assert.equal((JSON.parse(out) as { success: boolean }).success, true);
});

test('the replay stops where the code issues the command with a chosen seq', async () => {
  const second = (await handle.history()).filter(({ type }) => type === 'ActivityScheduled')[1]!;
  const { debug, finish } = await debugged('--break-at', String(second.seq), '--code', file);
  const { callFrames } = await debug.event<{ callFrames: CallFrame[] }>('Debugger.paused');
  assert.ok(callFrames.some(({ functionName }) => functionName === 'order'));
  assert.equal((await finish()).code, 0);
});
