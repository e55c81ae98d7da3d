// npm run bench: every question of ours, one after the other, on a Postgres with default durability.
// npm run bench -- 3 sets the number of rounds. BM-01 (c) is the main job itself: npm start.
import { core } from './core.bench.ts';
import { startBench } from './support.ts';
import { takeover } from './takeover.bench.ts';

const rounds = Number(process.argv[2] ?? 5);
const bench = await startBench();
try {
  await core(bench, rounds);
  await takeover(bench, rounds);
} finally {
  await bench.stop();
}
