// npm run bench: every question of ours, one after the other, on a Postgres with default durability.
// npm run bench -- 3 sets the number of rounds.
import { core } from './core.bench.ts';
import { startBench } from './support.ts';

const rounds = Number(process.argv[2] ?? 5);
const bench = await startBench();
try {
  await core(bench, rounds);
} finally {
  await bench.stop();
}
