// Logs and run bundles for tests without a database: sealed logs, their files, and files with changed lines.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { HistoryEvent, Micros, NewEvent } from '../../runtime/core/log/event.ts';
import { turnHash } from '../../runtime/core/log/hash-chain.ts';
import type { HistoryRange, HistorySource, RecordedOps } from '../../runtime/core/log/history-source.ts';
import type { LineSegment } from '../../runtime/core/log/line.ts';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import { type RunStatus, statusAfter } from '../../runtime/core/log/transition.ts';
import { encodePayload } from '../../runtime/core/payload/payload.ts';
import { exportRun } from '../../runtime/replay/run-bundle/export-run.ts';
import { sha256 } from '../../runtime/store/codec/sha256.ts';
import { newRunId } from '../../runtime/store/runs/run-id.ts';

/** A log in memory. */
export class ListedHistory implements HistorySource {
  readonly runId: string;
  readonly workflowId: string = 'w';
  readonly workflowType: string;
  readonly status: RunStatus;
  readonly head: number;
  readonly line: readonly LineSegment[];
  readonly bundleHash: string | undefined;
  readonly events: readonly HistoryEvent[];

  /** `ancestors`: the ancestors' part of the line of a fork. */
  constructor(
    runId: string,
    events: readonly HistoryEvent[],
    bundleHash?: string,
    ancestors: readonly LineSegment[] = [],
  ) {
    this.runId = runId;
    this.bundleHash = bundleHash;
    this.workflowType = events[0]?.name ?? 'demo';
    this.events = events;
    this.head = events.length;
    this.line = [...ancestors, { runId, first: (ancestors.at(-1)?.last ?? 0) + 1, last: this.head }];
    let status: RunStatus = 'running';
    for (const { type, seq } of events) {
      const next: RunStatus | 'refused' = seq === 1 ? status : statusAfter(status, type);
      if (next !== 'refused') status = next;
    }
    this.status = status;
  }

  async *pages({
    after = 0,
    upTo = this.head,
    arguments: args = 'none',
  }: HistoryRange = {}): AsyncGenerator<readonly HistoryEvent[]> {
    const given = (event: HistoryEvent): HistoryEvent => {
      if (event.type !== 'ActivityScheduled' || event.payload === null || args === 'whole') return event;
      return { ...event, payload: args === 'none' ? null : sha256(event.payload) };
    };
    const events = this.events.filter(({ seq }) => seq > after && seq <= upTo).map(given);
    for (let at = 0; at < events.length; at += 7) yield events.slice(at, at + 7);
  }

  async *patches(upTo: number): AsyncGenerator<readonly RecordedOps[]> {
    yield this.events.flatMap(({ type, seq, ops }) =>
      type === 'ContextPatched' && seq <= upTo && ops !== null ? [{ seq, ops }] : [],
    );
  }

  async seqAt(time: Micros): Promise<number> {
    return this.events.findLast(({ at }) => at <= time)?.seq ?? 0;
  }
}

type Columns = Parameters<typeof newEvent>[2];
export type Planned = readonly [type: NewEvent['type'], columns?: Columns];

/** A run of workflow `w` whose turns hold the given events. The hashes are right, even if the events are not legal. */
export function sealedLog(turns: readonly (readonly Planned[])[], runId: string = newRunId()): ListedHistory {
  const at = 1_700_000_000_000_000;
  const start = newEvent(1, 'WorkflowStarted', {
    name: 'demo',
    payload: encodePayload(['x']),
    meta: JSON.stringify({ workflowId: 'w', namespace: 'default', taskQueue: 'q', seed: '0'.repeat(32), engine: 1 }),
  });
  const log: HistoryEvent[] = [{ ...start, at, hash: null }];
  let head: Uint8Array = new Uint8Array(0);
  let unhashed = log.slice();
  for (const [index, turn] of turns.entries()) {
    const time = at + 1_000 * (index + 1);
    const events = turn.map(
      ([type, columns], i): HistoryEvent => ({ ...newEvent(log.length + 1 + i, type, columns), at: time, hash: null }),
    );
    head = turnHash(head, runId, [...unhashed, ...events], sha256);
    unhashed = [];
    log.push(...events.slice(0, -1), { ...events.at(-1)!, hash: head });
  }
  return new ListedHistory(runId, log);
}

export interface RunFiles {
  readonly folder: string;
  path(): string;
  /** Exports a log. Resolves with the path. */
  exported(source: HistorySource): Promise<string>;
  /** Writes lines into a file like that of a run bundle. */
  written(lines: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

export async function runFiles(): Promise<RunFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'reprise-bundles-'));
  let next = 0;
  const path = (): string => join(folder, `${next++}.reprise.gz`);
  return {
    folder,
    path,
    async exported(source) {
      return (await exportRun(source, path(), { now: new Date(0) })).file;
    },
    async written(lines) {
      const file = path();
      await writeFile(file, gzipSync(lines.map((line) => `${line}\n`).join('')));
      return file;
    },
    remove: () => rm(folder, { recursive: true }),
  };
}

export async function linesOf(file: string): Promise<string[]> {
  return gunzipSync(await readFile(file))
    .toString('utf8')
    .trimEnd()
    .split('\n');
}
