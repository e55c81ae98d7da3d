// DBOS: defaults (pool 10, LISTEN/NOTIFY), workflows started directly in this process, tracing off.
import { DBOS } from '@dbos-inc/dbos-sdk';

const kinds = ['one', 'sequential', 'fanOut', 'hold'];

/** DBOS registers a name once in a process, but `open` may be called twice. */
let workflows;

function register(shapes) {
  const step = (name, body) => DBOS.runStep(body, { name });
  return Object.fromEntries(
    kinds.map((kind) => [kind, DBOS.registerWorkflow(async (input) => shapes[kind](step, input), { name: kind })]),
  );
}

/** @type {import('./adapter.ts').Adapter} */
export const adapter = {
  async open({ url, shapes }) {
    DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error' });
    workflows ??= register(shapes);
    await DBOS.launch();
    const start = (kind, input) => DBOS.startWorkflow(workflows[kind])(input);
    return {
      start,
      async execute(kind, input) {
        const handle = await start(kind, input);
        return handle.getResult();
      },
      stop: () => DBOS.shutdown(),
    };
  },
};
