// Measures Postgres itself in the same minutes with plain `pg`: the yardstick for every figure of a round. The table is a bare
// log without any engine.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { median } from '../statistics.ts';

export interface Limit {
  /** ms of one durable single-row insert on one connection, p50. */
  readonly commitMs: number;
  /** ms of two and of three such inserts one after the other, p50. */
  readonly twoCommitsMs: number;
  readonly threeCommitsMs: number;
  /** rows/s of flows that each wait for their row, while one connection writes what has gathered. */
  readonly flows50: number;
  readonly flows200: number;
  /** rows/s of one insert of 1000 rows. */
  readonly flush1000: number;
}

const groupMs = 1500;
const bytes = Buffer.alloc(207, 'x');
const insert = `insert into log select * from unnest($1::uuid[], $2::int[], $3::smallint[], $4::bytea[])`;

interface Row {
  readonly run: string;
  readonly seq: number;
  readonly written: () => void;
  readonly failed: (error: unknown) => void;
}

/** Needs a database of its own. */
export async function probe(url: string): Promise<Limit> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      'create table log (run uuid, seq int, kind smallint not null, data bytea not null, primary key (run, seq))',
    );
    await chain(client, 1, 100);
    await groupCommit(client, 50, 300);
    return {
      commitMs: await chain(client, 1, 300),
      twoCommitsMs: await chain(client, 2, 150),
      threeCommitsMs: await chain(client, 3, 100),
      flows50: await groupCommit(client, 50, groupMs),
      flows200: await groupCommit(client, 200, groupMs),
      flush1000: await flushes(client, 1000, 20),
    };
  } finally {
    await client.end();
  }
}

/** p50 in ms of `length` durable inserts one after the other. */
async function chain(client: pg.Client, length: number, samples: number): Promise<number> {
  const run = randomUUID();
  const times: number[] = [];
  let seq = 0;
  for (let i = 0; i < samples; i++) {
    const begun = performance.now();
    for (let j = 0; j < length; j++) {
      await client.query({
        name: 'one',
        text: 'insert into log values ($1, $2, 1, $3)',
        values: [run, seq++, bytes],
      });
    }
    times.push(performance.now() - begun);
  }
  return median(times);
}

async function write(client: pg.Client, rows: readonly Pick<Row, 'run' | 'seq'>[]): Promise<void> {
  await client.query({
    name: 'many',
    text: insert,
    values: [rows.map((row) => row.run), rows.map((row) => row.seq), rows.map(() => 1), rows.map(() => bytes)],
  });
}

/** Rows per second of `flows` that append row after row and wait until each is durable. */
async function groupCommit(client: pg.Client, flows: number, durationMs: number): Promise<number> {
  let waiting: Row[] = [];
  let writing = false;
  let count = 0;
  const flush = async (): Promise<void> => {
    writing = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await write(client, batch);
        for (const row of batch) row.written();
      } catch (error) {
        for (const row of batch) row.failed(error);
      }
      await new Promise((resolve) => setImmediate(resolve)); // lets the flows add their next rows first
    }
    writing = false;
  };
  const append = (run: string, seq: number): Promise<void> =>
    new Promise((written, failed) => {
      waiting.push({ run, seq, written, failed });
      if (!writing) void flush();
    });
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: flows }, async () => {
      const run = randomUUID();
      for (let seq = 0; performance.now() - begun < durationMs; seq++) {
        await append(run, seq);
        count += 1;
      }
    }),
  );
  return (count / (performance.now() - begun)) * 1000;
}

/** Rows per second of one insert of `size` rows, p50. */
async function flushes(client: pg.Client, size: number, samples: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < samples; i++) {
    const run = randomUUID();
    const rows = Array.from({ length: size }, (_, seq) => ({ run, seq }));
    const begun = performance.now();
    await write(client, rows);
    times.push(performance.now() - begun);
  }
  return (size / median(times)) * 1000;
}
