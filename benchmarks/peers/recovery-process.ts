// A worker process of a peer in W4. The first process starts the workflow, reports when its steps are done, and hangs
// until it is killed. The second process finds the workflow, completes it, and reports what the workflow code did.
import type { Address, Input } from './adapter.ts';
import { loadAdapter } from './load-adapter.ts';
import type { System } from './questions.ts';
import type { Recovered } from './recovery.ts';
import { nothingSeen, shapesSeenBy } from './shapes.ts';

const [system, role, input] = process.argv.slice(2) as [System, 'first' | 'second', string];
process.on('disconnect', () => process.exit(1));

const adapter = await loadAdapter(system);
const address = (JSON.parse(process.env['BENCH_ADDRESS'] ?? 'null') as Address | null) ?? undefined;
const seen = nothingSeen();
const shapes = shapesSeenBy(seen, role === 'first' ? hang : async () => undefined);
const opened = Date.now();
const engine = await adapter.open({ url: process.env['BENCH_URL'] ?? '', shapes, variant: '', address });
if (role === 'first') {
  await engine.start('hold', JSON.parse(input) as Input);
} else {
  while (seen.firstStep === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  // Any repeated steps run before the first new step or within this pause.
  await new Promise((resolve) => setTimeout(resolve, 200));
  process.send?.({ ...seen, opened } satisfies Recovered);
}

async function hang(): Promise<void> {
  process.send?.('done');
  await new Promise(() => undefined);
}
