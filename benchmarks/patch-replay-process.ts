// A process that connects, rebuilds a run's document and hashes the document: node … <workflow id>. It reads the clock
// before it imports anything, because loading is part of the measured time.
const begun = performance.now();
const [{ createHash }, { Client, Connection }] = await Promise.all([import('node:crypto'), import('reprise/client')]);

export interface Rebuilt {
  readonly totalMs: number;
  readonly coldMs: number;
  /** The fastest of three calls that follow the first, cold call. */
  readonly warmMs: number;
  readonly hashMs: number;
  readonly hash: string;
  readonly patches: number;
}

const connection = await Connection.connect();
const handle = new Client({ connection }).workflow.getHandle(process.argv[2] ?? '');
const asked = performance.now();
const { state, patches } = await handle.stateAt();
const told = performance.now();
const hash = createHash('sha256').update(JSON.stringify(state)).digest('hex');
const hashed = performance.now();
const again: number[] = [];
for (let i = 0; i < 3; i++) {
  const from = performance.now();
  await handle.stateAt();
  again.push(performance.now() - from);
}
process.send?.({
  totalMs: hashed - begun,
  coldMs: told - asked,
  warmMs: Math.min(...again),
  hashMs: hashed - told,
  hash,
  patches,
} satisfies Rebuilt);
await connection.close();
process.disconnect?.();
