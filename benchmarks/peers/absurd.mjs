// Absurd: worker concurrency 100 (default 1), otherwise defaults (poll 0.25 s, claim timeout 120 s, pool 10). Its npm package
// does not contain its SQL: ABSURD_SQL names the file.
import { readFile } from 'node:fs/promises';
import { Absurd } from 'absurd-sdk';

const kinds = ['one', 'sequential', 'fanOut', 'hold'];
const quiet = { log() {}, info() {}, warn: console.error, error: console.error };

/** @type {import('./adapter.ts').Adapter} */
export const adapter = {
  async install(url, runSql) {
    await runSql(await readFile(process.env.ABSURD_SQL, 'utf8'));
    const app = new Absurd({ db: url, log: quiet });
    await app.createQueue('default');
    await app.close();
  },

  async open({ url, shapes }) {
    const app = new Absurd({ db: url, log: quiet });
    for (const kind of kinds) {
      app.registerTask({ name: kind }, (input, context) =>
        shapes[kind]((name, body) => context.step(name, body), input),
      );
    }
    await app.startWorker({ concurrency: 100 });
    const start = (kind, input) => app.spawn(kind, input);
    return {
      start,
      async execute(kind, input) {
        const { taskID } = await start(kind, input);
        const outcome = await app.awaitTaskResult(taskID);
        if (outcome.state !== 'completed') throw new Error(`A task of Absurd ended as ${outcome.state}.`);
        return outcome.result;
      },
      stop: () => app.close(),
    };
  },
};
