// OpenWorkflow: worker concurrency 100 (default 1), otherwise defaults (postgres.js pool 10, lease 30 s, polls up to 1 s).
import { OpenWorkflow } from 'openworkflow';
import { BackendPostgres } from 'openworkflow/postgres';

const kinds = ['one', 'sequential', 'fanOut', 'hold'];

/** @type {import('./adapter.ts').Adapter} */
export const adapter = {
  async open({ url, shapes }) {
    const backend = await BackendPostgres.connect(url);
    const client = new OpenWorkflow({ backend });
    const workflows = Object.fromEntries(
      kinds.map((kind) => [
        kind,
        client.defineWorkflow({ name: kind }, ({ input, step }) =>
          shapes[kind]((name, body) => step.run({ name }, body), input),
        ),
      ]),
    );
    const worker = client.newWorker({ concurrency: 100 });
    await worker.start();
    const start = (kind, input) => workflows[kind].run(input);
    return {
      start,
      async execute(kind, input) {
        const handle = await start(kind, input);
        return handle.result();
      },
      async stop() {
        await worker.stop();
        await backend.stop();
      },
    };
  },
};
