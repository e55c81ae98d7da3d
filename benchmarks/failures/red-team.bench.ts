// BM-14: ten attacks on a run of stages. After each one the run must have ended with the right state, with a whole log,
// and with no stage repeated that was not in flight.
import { withOwnPostgres } from '../bench.ts';
import type { Question } from '../question.ts';
import { attacks } from './attacks.ts';
import { FailureLab } from './failure-lab.ts';

export const question: Question = {
  id: 'BM-14',
  title: 'red team: ten attacks',
  size: { of: 'stages of an attacked run', usual: 60 },
  isLong: true,
  async run(_, { size }) {
    return withOwnPostgres((bench, postgres) =>
      FailureLab.open(bench, 'red-team', async (lab) => {
        for (const { name, attack } of attacks) {
          try {
            await attack({ lab, postgres, size });
          } catch (error) {
            throw new Error(`BROKEN by ${name}: ${(error as Error).message}`, { cause: error });
          } finally {
            await lab.killAll();
          }
        }
        const note = attacks.map(({ name }) => name).join('; ');
        return [{ name: 'survived', unit: `of ${attacks.length}`, values: [attacks.length], better: 'higher', note }];
      }),
    );
  },
};
