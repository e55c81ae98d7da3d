// Measures Postgres alone, with plain `pg` and a bare log table, in the same minutes as the systems. The results are
// the limits that the figures of a round are compared with.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { median } from '../statistics.ts';

export interface Limit {
  /** Time of one durable single-row insert on one connection, ms, p50. */
  readonly commitMs: number;
  /** Time of two such inserts one after the other (below: three), ms, p50. */
  readonly twoCommitsMs: number;
  readonly threeCommitsMs: number;
  /**
   * Rows per second of 50 flows (below: 200). Each flow waits for its row; one connection writes all waiting rows at
   * once.
   */
  readonly flows50: number;
  readonly flows200: number;
  /** Rows per second of one insert of 1000 rows. */
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

/** Needs a separate database. */
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

/** Time of `length` durable inserts one after the other, ms, p50. */
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

/** Rows per second when `flows` flows append row after row, and each flow waits until its row is durable. */
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
      await new Promise((resolve) => setImmediate(resolve)); // the flows can add their next rows first
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
