// The attacks of BM-14. Each attacks a run of stages while it works; `stagedRun` finds what the attack broke.
import { type BenchPostgres, databaseTime, pause } from '../bench.ts';
import type { BenchWorker } from '../bench-worker.ts';
import { inFlight } from '../load.ts';
import { activityCompleted, events, eventsOfType, head } from '../log-reader.ts';
import type { FailureLab } from './failure-lab.ts';
import { demand, demandEqual } from './run-checks.ts';
import { type SmallDisk, smallDisk } from './small-disk.ts';
import { even, type StagedRun, stagedRun, type Stages } from './staged-run.ts';

interface Field {
  readonly lab: FailureLab;
  readonly postgres: BenchPostgres;
  /** Stages of the attacked run. */
  readonly size: number;
}

interface Attack {
  readonly name: string;
  /** @throws if it broke something */
  attack(field: Field): Promise<unknown>;
}

const stageMs = 20;
const racers = 100;
const hourMs = 3_600_000;
const shortLease = { leaseMs: 1000 };

export const attacks: readonly Attack[] = [
  { name: 'SIGKILL of the only worker', attack: killOnly },
  { name: 'two workers resume at once', attack: resumeTwice },
  { name: 'a torn write of a checkpoint', attack: tearCheckpoints },
  { name: 'a torn write of the log', attack: (field) => die(field, ['before append', 'after append']) },
  { name: 'a torn effect', attack: (field) => die(field, ['before activity', 'after activity']) },
  { name: 'a stale token', attack: wakeTheDead },
  { name: `two racers for ${racers} runs`, attack: race },
  { name: 'SIGKILL of Postgres while runs commit', attack: killDatabase },
  { name: 'a full disk', attack: fillDisk },
  { name: 'workers whose clocks are an hour ahead', attack: advanceClocks },
];

/** Runs the stages, and calls `strike` when a third of them is done. `strike` resolves with the number of kills. */
function struckRun(
  { lab, size }: Field,
  strike: (runId: string) => Promise<number>,
  stages: Partial<Stages> = {},
): Promise<StagedRun> {
  return stagedRun(lab, { ...even(size, stageMs), ...stages }, async (runId) => {
    await completed(lab, runId, Math.floor(size / 3));
    return strike(runId);
  });
}

async function completed(lab: FailureLab, runId: string, count: number): Promise<void> {
  while ((await eventsOfType(lab.bench.pool, runId, activityCompleted)).length < count) await pause(5);
}

async function killOnly(field: Field): Promise<void> {
  const victim = await field.lab.worker();
  await struckRun(field, async () => {
    await victim.stop('SIGKILL');
    await field.lab.worker();
    return 1;
  });
}

async function resumeTwice(field: Field): Promise<void> {
  const victim = await field.lab.worker();
  const { takeovers } = await struckRun(field, async () => {
    await victim.stop('SIGKILL');
    await Promise.all([field.lab.worker(), field.lab.worker()]);
    return 1;
  });
  demandEqual('takeovers', takeovers.length, 1);
}

/** Cuts each checkpoint in half, as if its write had been torn, and kills the worker. */
async function tearCheckpoints(field: Field): Promise<void> {
  const { lab } = field;
  const victim = await lab.worker();
  let torn = 0;
  const strike = async (runId: string): Promise<number> => {
    while (torn === 0) {
      const { rowCount } = await lab.bench.pool.query(
        'update reprise.checkpoints set state = substr(state, 1, octet_length(state) / 2) where run_id = $1',
        [runId],
      );
      torn = rowCount ?? 0;
    }
    await victim.stop('SIGKILL');
    await lab.worker();
    return 1;
  };
  await struckRun(field, strike, { checkpoints: 'each' });
}

/** Kills a worker at each of these fail points, one after the other. */
async function die(field: Field, points: readonly string[]): Promise<void> {
  const dead = (async (): Promise<number> => {
    for (const at of points) {
      const worker = await field.lab.worker({ dies: { at, time: 5 } });
      await worker.ended();
    }
    await field.lab.worker();
    return points.length;
  })();
  const [kills] = await Promise.all([dead, stagedRun(field.lab, even(field.size, stageMs), () => dead)]);
  demandEqual('kills', kills, points.length);
}

/** A worker sleeps through the end of its lease, and wakes up when another worker has its run. */
async function wakeTheDead(field: Field): Promise<void> {
  const { lab } = field;
  const hung = await lab.worker(shortLease);
  let written = 0;
  const { runId } = await struckRun(field, async (id) => {
    hung.signal('SIGSTOP');
    await lab.worker(shortLease);
    written = await head(lab.bench.pool, id);
    return 1;
  });
  const closedAt = await head(lab.bench.pool, runId);
  demand(closedAt > written, 'head after the takeover', closedAt, `more than ${written}`);
  const epochs = await epochsOf(lab, hung);
  hung.signal('SIGCONT');
  // It finds out that it was declared dead, and registers under another epoch. Until then it may try to write.
  while ((await epochsOf(lab, hung)) === epochs) await pause(20);
  demandEqual('head after the dead worker woke up', await head(lab.bench.pool, runId), closedAt);
}

/** How many epochs the process has ever had. */
async function epochsOf({ bench }: FailureLab, { pid }: BenchWorker): Promise<number> {
  const { rows } = await bench.pool.query<{ n: number }>(
    `select count(*)::int as n from reprise.workers where identity like $1 || '@%'`,
    [pid],
  );
  return rows[0]!.n;
}

/** One worker dies with a hundred runs, and two others race for each of them. */
async function race({ lab }: Field): Promise<void> {
  const victim = await lab.worker();
  const isDead = (async () => {
    while (lab.effects().filter(({ label, pid }) => label === 'stage 2' && pid === victim.pid).length < racers) {
      await pause(20);
    }
    await Promise.all([lab.worker(), lab.worker()]);
    await victim.stop('SIGKILL');
    return 1;
  })();
  await inFlight(racers, racers, async () => {
    const { takeovers } = await stagedRun(lab, { ...even(6, stageMs), failures: { 2: 'hang' } }, () => isDead);
    demandEqual('winners', takeovers.length, 1);
  });
}

async function killDatabase(field: Field): Promise<void> {
  const { lab, postgres } = field;
  await lab.worker();
  await lab.worker();
  await struckRun(field, async () => {
    await postgres.kill();
    await postgres.start();
    return 1;
  });
}

async function fillDisk(field: Field): Promise<void> {
  const { lab } = field;
  const disk: SmallDisk = await smallDisk(lab.bench.pool);
  try {
    await lab.worker();
    await struckRun(field, async (runId) => {
      await disk.fill();
      await refusal(lab);
      const full = await head(lab.bench.pool, runId);
      demand(full < 3 * field.size, 'head on the full disk', full, 'a run that has not ended');
      await disk.free();
      return 1;
    });
  } finally {
    await disk.remove();
  }
}

/** Starts runs until the database refuses one for lack of space. */
async function refusal({ bench }: FailureLab): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      const filler = 'x'.repeat(2_000);
      const handle = await bench.client.workflow.start('longStage', {
        workflowId: `filler ${i}`,
        taskQueue: 'nobody',
        args: [filler],
      });
      await handle.terminate('only fills the disk');
    } catch (error) {
      const cause = (error as Error).cause as { code?: string } | undefined;
      const text = `${(error as Error).message} ${String(cause)}`;
      demand(/No space left on device/.test(text), 'refusal', text, 'No space left on device');
      return;
    }
  }
}

async function advanceClocks(field: Field): Promise<void> {
  const { lab } = field;
  const begun = await databaseTime(lab.bench.pool);
  const victim = await lab.worker({ clockAheadMs: hourMs });
  const { runId } = await struckRun(field, async () => {
    await victim.stop('SIGKILL');
    await lab.worker({ clockAheadMs: -hourMs });
    return 1;
  });
  const times = (await events(lab.bench.pool, runId, 1, 1_000_000)).map(({ at }) => at);
  demandEqual(
    'order of the times in the log',
    times,
    [...times].sort((a, b) => a - b),
  );
  demand(times[0]! >= begun - 1 && times.at(-1)! < begun + hourMs / 2, 'times in the log', times.at(-1), 'real time');
}
