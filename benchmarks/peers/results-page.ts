// Writes RESULTS.md: Reprise against the best peer, a table for each question, the machine and the settings.
import { readFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import type pg from 'pg';
import { median } from '../statistics.ts';
import type { Cost, Measured } from './adapter.ts';
import type { Failed } from './child.ts';
import { asked, bestPeer, figureOf, figureOfRow, isMeasured, meets, type Row } from './figures.ts';
import type { Limit } from './probe.ts';
import { onceOnly, type Question, scale, sizeOf, type System, variantsOf } from './questions.ts';
import { titles, settings } from './settings.ts';

export interface Results {
  readonly measured: readonly (Measured | Failed)[];
  readonly limits: readonly Limit[];
  readonly machine: string;
  readonly rounds: number;
  readonly asked: readonly Question[];
  readonly systems: readonly System[];
  /** Systems that were requested but cannot run here, because something that they need is missing. */
  readonly skipped: readonly System[];
}

export async function describeMachine(admin: pg.Client): Promise<string> {
  const names = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers'];
  const { rows } = await admin.query<Record<string, string>>(
    `select ${names.map((name) => `current_setting('${name}') as ${name}`).join()}`,
  );
  const postgres = names
    .slice(1)
    .map((name) => `${name} ${rows[0]?.[name]}`)
    .join(', ');
  const [cpu] = cpus();
  return (
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpu?.model.trim()}), ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, Postgres ${rows[0]?.['server_version']} (${postgres}).`
  );
}

export async function resultsPage(results: Results): Promise<string> {
  const parts = [
    '# Reprise and its peers',
    `Written by \`npm run bench:peers\`. ${results.machine}`,
    `Median of ${results.rounds} interleaved ${results.rounds === 1 ? 'round' : 'rounds'} (smallest to largest), each measurement in a fresh process on a fresh ` +
      'database. Figures move with the machine; ratios within one run decide. How to read them: README.md.',
    ...(scale === 1 ? [] : [`**All counts times ${scale}: for trying out, not for reading.**`]),
    ...results.skipped.map(skippedNote),
    '## Reprise against the best peer',
    table(['question', 'Reprise', 'best peer', 'ratio', 'target', 'met'], against(results)),
    ...results.asked.flatMap((question) => section(results, question)),
    '## Postgres itself',
    limitsTable(results.limits),
    '## Versions and settings',
    await settingsTable(),
  ];
  return `${parts.join('\n\n')}\n`;
}

function skippedNote(system: System): string {
  return (
    `**${titles[system]} was left out**: its SQL is not in its npm package. Take \`sql/absurd.sql\` from its repository ` +
    '(github.com/earendil-works/absurd) and name the file in ABSURD_SQL.'
  );
}

function rowsOf(results: Results, question: Question): Row[] {
  return results.systems.flatMap((system) =>
    variantsOf(question, system).map((variant) => {
      const mine = results.measured.filter(
        (one) => one.question === question && one.system === system && one.variant === variant,
      );
      return {
        system,
        variant,
        measured: mine.filter(isMeasured),
        failed: mine.filter((one): one is Failed => !isMeasured(one)),
      };
    }),
  );
}

function against(results: Results): string[][] {
  return results.asked.flatMap((question) => {
    const what = asked[question];
    const rows = rowsOf(results, question);
    const peer = bestPeer(rows, what);
    return what.targets.flatMap((target) => {
      const ours = rows.find((row) => row.system === 'reprise' && row.variant === target.variant);
      if (ours === undefined) return [];
      const name = `${question} ${what.title}${target.variant === '' ? '' : `, ${target.variant}`}`;
      const ratio = peer === undefined ? Number.NaN : figureOfRow(ours) / figureOfRow(peer);
      const met = Number.isNaN(ratio) ? '-' : meets(ratio, target.ratio, what) ? 'yes' : 'no';
      const best = peer === undefined ? '-' : `${titles[peer.system]} ${number(figureOfRow(peer), what.digits)}`;
      return [[name, `${number(figureOfRow(ours), what.digits)} ${what.unit}`, best, times(ratio), target.text, met]];
    });
  });
}

function section(results: Results, question: Question): string[] {
  const what = asked[question];
  const rows = rowsOf(results, question);
  const ours = rows.find((row) => row.system === 'reprise' && row.variant === (what.targets[0]?.variant ?? ''));
  const extras = extraColumns(question);
  const lines = rows.map((row) => [
    nameOf(row, question),
    cell(row, what.digits),
    row.system === 'reprise' || ours === undefined ? '' : times(figureOfRow(ours) / figureOfRow(row)),
    toLimit(row, question, results.limits),
    ...extras.map((column) => (row.measured.length === 0 ? '-' : column.text(row.measured))),
  ]);
  const limitHead = what.limitText === '' ? [] : ['to the limit'];
  const head = ['system', what.unit, 'Reprise / it', ...limitHead, ...extras.map((column) => column.head)];
  const shown = what.limitText === '' ? lines.map((line) => line.toSpliced(3, 1)) : lines;
  const note = what.limitText === '' ? [] : [`Limit: ${what.limitText}, asked of Postgres in the same rounds.`];
  return [`## ${question}: ${what.title}`, table(head, shown), ...note];
}

function nameOf({ system, variant, measured }: Row, question: Question): string {
  const usual = sizeOf(question, 'reprise');
  const size = sizeOf(question, system);
  const marks = [
    ...(variant === '' ? [] : [variant]),
    ...(size.workflows === usual.workflows ? [] : [`${size.workflows} workflows`]),
    ...(size.steps === usual.steps ? [] : [`${size.steps} steps`]),
    ...(onceOnly(question, system) && measured.length > 0 ? ['measured once'] : []),
  ];
  return marks.length === 0 ? titles[system] : `${titles[system]} (${marks.join(', ')})`;
}

function cell({ measured, failed }: Row, digits: number): string {
  const failures =
    failed.length === 0 ? '' : `failed ${failed.length} of ${failed.length + measured.length}: ${failed[0]?.failure}`;
  if (measured.length === 0) return failures === '' ? 'not measured' : failures;
  const figures = spread(measured.map(figureOf), digits);
  return failures === '' ? figures : `${figures}; ${failures}`;
}

function toLimit(row: Row, question: Question, limits: readonly Limit[]): string {
  const values = limits.flatMap((limit) => asked[question].limitOf(limit, row.variant) ?? []);
  return times(figureOfRow(row) / median(values));
}

interface Column {
  readonly head: string;
  text(measured: readonly Measured[]): string;
}

function extraColumns(question: Question): Column[] {
  if (question === 'W3')
    return [column('p95', 2, (one) => one.latency?.p95), column('p99', 2, (one) => one.latency?.p99)];
  if (question === 'W4') {
    return [
      column('engine start to new step', 0, (one) => one.recovery?.sinceOpen),
      column('pickup', 0, (one) => one.recovery?.pickup),
      column('replay', 0, (one) => one.recovery?.replay),
    ];
  }
  const inMs = question === 'W2' ? (rate: number) => 1000 / rate : (rate: number) => rate;
  const digits = asked[question].digits;
  const views = [
    column('client', digits, (one) => one.rates && inMs(one.rates.client)),
    column('inside', digits, (one) => one.rates?.inside && inMs(one.rates.inside)),
  ];
  if (question !== 'W1' && question !== 'W2') return views;
  const cost = (head: string, key: keyof Cost): Column =>
    column(head, key === 'commits' ? 2 : 0, (one) => one.cost?.[key]);
  return [
    ...views,
    cost('commits', 'commits'),
    cost('WAL bytes', 'walBytes'),
    cost('table and index bytes', 'tableBytes'),
  ];
}

function column(head: string, digits: number, of: (one: Measured) => number | undefined): Column {
  return {
    head,
    text(measured) {
      const values = measured.flatMap((one) => of(one) ?? []);
      return values.length === 0 ? '-' : number(median(values), digits);
    },
  };
}

function limitsTable(limits: readonly Limit[]): string {
  const line = (name: string, unit: string, digits: number, of: (limit: Limit) => number): string[] => [
    name,
    `${spread(limits.map(of), digits)} ${unit}`,
  ];
  return table(
    ['one connection of `pg`', 'result'],
    [
      line('one durable insert, p50', 'ms', 3, (limit) => limit.commitMs),
      line('two one after the other, p50', 'ms', 3, (limit) => limit.twoCommitsMs),
      line('three one after the other, p50', 'ms', 3, (limit) => limit.threeCommitsMs),
      line('shared commits, 50 flows', 'rows/s', 0, (limit) => limit.flows50),
      line('shared commits, 200 flows', 'rows/s', 0, (limit) => limit.flows200),
      line('one insert of 1000 rows', 'rows/s', 0, (limit) => limit.flush1000),
    ],
  );
}

async function settingsTable(): Promise<string> {
  const { dependencies } = JSON.parse(await readFile(new URL('./package.json', import.meta.url), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  return table(
    ['system', 'packages', 'settings'],
    settings.map(({ system, packages, text }) => [
      titles[system],
      packages.map((name) => `${name} ${dependencies[name]}`).join(', ') || 'this repository',
      text,
    ]),
  );
}

function spread(values: readonly number[], digits: number): string {
  const middle = number(median(values), digits);
  if (values.length === 1) return middle;
  return `${middle} (${number(Math.min(...values), digits)}-${number(Math.max(...values), digits)})`;
}

function number(value: number, digits: number): string {
  if (Number.isNaN(value)) return '-';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function times(ratio: number): string {
  return Number.isNaN(ratio) ? '-' : `${number(ratio, ratio >= 100 ? 0 : ratio >= 10 ? 1 : 2)}×`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
