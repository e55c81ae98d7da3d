// Runs one measurement in a new process with a new database and its own process group, and reads one line of JSON from
// it. Always kills the process group and drops the database.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import type { Measured } from './adapter.ts';
import { type Question, type System, timeoutMs, type Variant } from './questions.ts';

/** Identifies a measurement. */
export interface Subject {
  readonly question: Question;
  readonly system: System;
  readonly variant: Variant;
}

/** A measurement that failed, with the error that its process printed. */
export interface Failed extends Subject {
  readonly failure: string;
}

export interface Server {
  readonly url: string;
  /** Folder for the files that a system writes. */
  readonly folder: string;
  readonly admin: pg.Client;
}

const running = new Set<ChildProcess>();

export async function measure(server: Server, { question, system, variant }: Subject): Promise<Measured | Failed> {
  return inFreshDatabase(server, async (url) => {
    const script = fileURLToPath(new URL('./measure.ts', import.meta.url));
    const child = spawn(process.execPath, ['-C', 'reprise-source', script, question, system, variant], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, BENCH_URL: url, TMPDIR: server.folder },
    });
    running.add(child);
    const said = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, timeoutMs(question));
    await once(child, 'exit');
    clearTimeout(timer);
    killGroup(child);
    running.delete(child);
    const line = said.stdout.split('\n').findLast((text) => text.startsWith('{"question"'));
    if (line !== undefined) return JSON.parse(line) as Measured;
    const failure = timedOut ? `no end after ${timeoutMs(question) / 1000} s` : lastWords(said.stderr, child);
    return { question, system, variant, failure };
  });
}

/** Kills the processes that still run. For the end of the whole benchmark. */
export function killAll(): void {
  for (const child of running) killGroup(child);
}

export async function inFreshDatabase<T>({ url, admin }: Server, work: (url: string) => Promise<T>): Promise<T> {
  const name = `bench_${Math.random().toString(36).slice(2)}`;
  await admin.query(`create database ${name}`);
  try {
    const own = new URL(url);
    own.pathname = `/${name}`;
    return await work(own.href);
  } finally {
    await admin.query(`drop database ${name} with (force)`);
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // ESRCH: all processes have ended already
  }
}

/** The line of the error that ended the process, or the last line that it wrote. */
function lastWords(stderr: string, child: ChildProcess): string {
  const lines = stderr.trim().split('\n');
  const words = lines.findLast((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? '';
  return words === '' ? `ended with ${child.exitCode ?? child.signalCode}` : words.slice(0, 160);
}
