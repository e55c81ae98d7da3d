// A process that makes one measurement: node measure.ts <question> <system> <variant>, with the database in BENCH_URL.
// Prints one line of JSON. Except in W4, all systems warm up with the same work for the same time.
import pg from 'pg';
import { inFlight, payload } from '../load.ts';
import { percentile } from '../statistics.ts';
import type { Cost, Engine, Kind, Measured } from './adapter.ts';
import { loadAdapter, runSql } from './load-adapter.ts';
import { type Question, type Size, sizeOf, type System, type Variant, workflowsAtOnce } from './questions.ts';
import { measureRecovery } from './recovery.ts';
import { measureRepriseRecovery } from './reprise-recovery.ts';
import { nothingSeen, shapesSeenBy } from './shapes.ts';

const warmUpMs = 2000;

const [question, system, variant] = process.argv.slice(2) as [Question, System, Variant];
const url = process.env['BENCH_URL'];
if (url === undefined) throw new Error('BENCH_URL names no database.');
const size = sizeOf(question, system);
console.log(JSON.stringify({ question, system, variant, ...(await measured(url)) }));
process.exit(0); // timers of some peers would keep the process alive

async function measured(url: string): Promise<Omit<Measured, 'question' | 'system' | 'variant'>> {
  if (question === 'W4') {
    const recovery =
      system === 'reprise'
        ? await measureRepriseRecovery(url, size.steps, variant)
        : await measureRecovery(url, system, size.steps);
    return { recovery };
  }
  const adapter = await loadAdapter(system);
  const server = await adapter.serve?.();
  try {
    await adapter.install?.(url, (sql) => runSql(url, sql));
    const seen = nothingSeen();
    const shapes = shapesSeenBy(seen, async () => undefined);
    const open = (): Promise<Engine> => adapter.open({ url, shapes, variant, address: server?.address });
    const counted = server === undefined && (question === 'W1' || question === 'W2');
    if (counted) await (await open()).stop(); // leaves migrations out of the cost
    const before = counted ? await counters(url) : undefined;
    const engine = await open();
    const warmedUp = await warmUp(engine);
    Object.assign(seen, nothingSeen());
    const figures = question === 'W3' ? { latency: await latency(engine) } : { rates: await rates(engine) };
    await engine.stop(); // Postgres reports a session's statistics at its end at the latest
    const cost = before === undefined ? {} : { cost: costOf(before, await counters(url), warmedUp + unitsOf(size)) };
    return { ...figures, ...cost };

    async function rates(engine: Engine): Promise<NonNullable<Measured['rates']>> {
      const begun = performance.now();
      await work(engine, size);
      const client = (unitsOf(size) / (performance.now() - begun)) * 1000;
      if (seen.firstBegin === undefined || seen.lastEnd === undefined) return { client };
      return { client, inside: (unitsOf(size) / (seen.lastEnd - seen.firstBegin)) * 1000 };
    }
  } finally {
    await server?.stop();
  }
}

/** The amount of work: the number of workflows in W1, of steps otherwise. */
function unitsOf({ workflows, steps }: Size): number {
  return workflows * steps;
}

function kindOf(): Kind {
  if (question === 'W1' || question === 'W3') return 'one';
  return question === 'W5' ? 'fanOut' : 'sequential';
}

async function work(engine: Engine, { workflows, steps }: Size): Promise<void> {
  await inFlight(workflows, workflowsAtOnce, async () => {
    await engine.execute(kindOf(), { payload, steps });
  });
}

/** Returns the number of workflows or steps done. */
async function warmUp(engine: Engine): Promise<number> {
  if (question === 'W3') {
    await latencies(engine, Number.POSITIVE_INFINITY, performance.now() + warmUpMs);
    return 0;
  }
  const { workflows, steps } = size;
  const tenth = (count: number): number => Math.ceil(count / 10);
  const batch = { workflows: question === 'W1' ? tenth(workflows) : workflows, steps: tenth(steps) };
  const until = performance.now() + warmUpMs;
  let units = 0;
  while (performance.now() < until) {
    await work(engine, batch);
    units += unitsOf(batch);
  }
  return units;
}

async function latency(engine: Engine): Promise<NonNullable<Measured['latency']>> {
  const times = await latencies(engine, size.workflows, Number.POSITIVE_INFINITY);
  return { p50: percentile(times, 0.5), p95: percentile(times, 0.95), p99: percentile(times, 0.99) };
}

async function latencies(engine: Engine, count: number, until: number): Promise<number[]> {
  const times: number[] = [];
  while (times.length < count && performance.now() < until) {
    const begun = performance.now();
    await engine.execute('one', { payload, steps: 1 });
    times.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 2)); // the system is idle between two starts
  }
  return times;
}

async function counters(url: string): Promise<Cost> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ commits: string; wal: string; bytes: string }>(`select
    (select xact_commit from pg_stat_database where datname = current_database()) as commits,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as wal,
    (select sum(pg_total_relation_size(c.oid)) from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema') as bytes`);
  await client.end();
  const row = rows[0]!;
  return { commits: Number(row.commits), walBytes: Number(row.wal), tableBytes: Number(row.bytes) };
}

function costOf(before: Cost, after: Cost, units: number): Cost {
  return {
    commits: (after.commits - before.commits) / units,
    walBytes: (after.walBytes - before.walBytes) / units,
    tableBytes: (after.tableBytes - before.tableBytes) / units,
  };
}
