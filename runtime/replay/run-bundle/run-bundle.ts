// A run in a file: its history with lineage and hashes, and perhaps its workflow code. Reading it needs no database and
// runs no code. The whole file is checked before anything of it is used.
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { HistoryEvent, Micros } from '../../core/log/event.ts';
import type { HistoryRange, HistorySource } from '../../core/log/history-source.ts';
import type { LineSegment } from '../../core/log/line.ts';
import type { RunStatus } from '../../core/log/transition.ts';
import {
  checkOption,
  checkOptions,
  nested,
  optionTable,
  textOf,
  wholeNumber,
} from '../../core/options/option-table.ts';
import { sha256 } from '../../store/codec/sha256.ts';
import { AddressSearch, type EventAddress, type NamedPoints } from '../../core/recovery/event-address.ts';
import type { FileReplayOptions } from '../replay-options.ts';
import type { ReplayReport } from '../report.ts';
import { type RunDiff, runDiff } from '../run-diff.ts';
import { BoundedDocument, DocumentFault } from './bounded-document.ts';
import { invalid, tooLarge } from './bounded-lines.ts';
import type { BundleHeader } from './bundle-lines.ts';
import { type BundleLimits, BundleScan, defaultLimits, type ScannedPart } from './bundle-scan.ts';
import type { CheckLine } from './bundle-schema.ts';

export interface RunBundleOptions {
  /** A file over a limit is refused before it is decoded. */
  limits?: Partial<BundleLimits>;
}

const limitOptions = optionTable<BundleLimits>({
  events: wholeNumber(1),
  bytes: wholeNumber(1),
  lineBytes: wholeNumber(1),
  documentBytes: wholeNumber(1),
});
const bundleOptions = optionTable<RunBundleOptions>({ limits: nested(limitOptions) });

const codeLengthMax = 2 ** 26;

/** @throws BUNDLE_INVALID, BUNDLE_TOO_LARGE, INVALID_INPUT */
export async function readRunBundle(file: string, options: RunBundleOptions = {}): Promise<RunBundle> {
  checkOption('The path of the run bundle', file, textOf(1, 10_000));
  checkOptions('readRunBundle', options, bundleOptions);
  const { checkLine } = await import('./bundle-schema.ts');
  return RunBundle.open(file, { ...defaultLimits, ...options.limits }, checkLine);
}

export class RunBundle implements HistorySource, NamedPoints {
  readonly file: string;
  readonly runId: string;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly status: RunStatus;
  /** Seq of the last event. */
  readonly head: number;
  /** The last hash of the chain, hex; null if no turn has ended yet. Compare it with a copy that you trust. */
  readonly headHash: string | null;
  readonly line: readonly LineSegment[];
  /** Hash of the workflow code that worked on the run last, hex. */
  readonly bundleHash: string | undefined;
  /** Whether the file holds workflow code. */
  readonly hasCode: boolean;
  readonly exportedAt: Date;
  readonly #scan: () => AsyncGenerator<ScannedPart, void, undefined>;

  private constructor(file: string, header: BundleHeader, scan: () => AsyncGenerator<ScannedPart, void, undefined>) {
    this.file = file;
    this.runId = header.run.runId;
    this.workflowId = header.run.workflowId;
    this.workflowType = header.run.workflowType;
    this.status = header.run.status;
    this.head = header.head.seq;
    this.headHash = header.head.hash;
    this.line = header.line;
    this.bundleHash = header.codeHash ?? undefined;
    this.hasCode = header.code !== null;
    this.exportedAt = new Date(header.exportedAt);
    this.#scan = scan;
  }

  /** @internal Reads the file once and checks all of it. */
  static async open(file: string, limits: BundleLimits, checkLine: CheckLine): Promise<RunBundle> {
    const scan = (): AsyncGenerator<ScannedPart, void, undefined> => new BundleScan(file, limits, checkLine).parts();
    const document = new BoundedDocument(limits.documentBytes);
    let bundle: RunBundle | undefined;
    for await (const part of scan()) {
      if ('header' in part) bundle = new RunBundle(file, part.header, scan);
      else if ('events' in part) foldPage(file, document, part.events);
    }
    if (bundle === undefined) throw invalid(file, 'it is empty');
    return bundle;
  }

  async *pages(range: HistoryRange = {}): AsyncGenerator<readonly HistoryEvent[], void, undefined> {
    const { after = 0, upTo = this.head, arguments: args = 'none' } = range;
    for await (const part of this.#scan()) {
      if (!('events' in part)) continue;
      const page = part.events.filter(({ seq }) => seq > after && seq <= upTo).map((event) => forReplay(event, args));
      if (page.length > 0) yield page;
      if (part.events.at(-1)!.seq >= upTo) return;
    }
  }

  async *patches(upTo: number): AsyncGenerator<readonly { seq: number; ops: string }[], void, undefined> {
    for await (const page of this.pages({ upTo })) {
      const patches = page.flatMap(({ seq, type, ops }) =>
        type === 'ContextPatched' && ops !== null ? [{ seq, ops }] : [],
      );
      if (patches.length > 0) yield patches;
    }
  }

  /** The last event at or before a time; 0 when there is none. */
  async seqAt(time: Micros): Promise<number> {
    let found = 0;
    for await (const page of this.pages()) {
      for (const { seq, at } of page) {
        if (at > time) return found;
        found = seq;
      }
    }
    return found;
  }

  async seqOfEvent(address: EventAddress): Promise<number | undefined> {
    const search = new AddressSearch(address);
    for await (const page of this.pages()) for (const event of page) search.see(event);
    return search.found;
  }

  /** A file holds the names that workflow code gave, and not those of people. */
  async seqOfCheckpoint(name: string): Promise<number | undefined> {
    let found: number | undefined;
    for await (const page of this.pages()) {
      found = page.findLast((event) => event.type === 'CheckpointSaved' && event.name === name)?.seq ?? found;
    }
    return found;
  }

  /** Compares the run with another one, of a file or (see `handle.compare`) of a database. */
  compare(other: HistorySource): Promise<RunDiff> {
    return runDiff(this, other);
  }

  /**
   * Replays the run without a database, as `handle.replay` does. Needs `code` for MOCK_TOOLS, or `runBundledCode: true`.
   * @throws INVALID_INPUT, BUNDLE_FAILED, CODE_NOT_RECORDED, NOT_SUPPORTED
   */
  async replay(options: FileReplayOptions = {}): Promise<ReplayReport> {
    // Loaded on demand, because it loads the sandbox and the bundler.
    const { replayFile } = await import('../replay-run.ts');
    return replayFile(this, options);
  }

  /** JSON text of the workflow code in the file. Nothing runs it. */
  async readCode(): Promise<string> {
    const parts: string[] = [];
    let length = 0;
    for await (const part of this.#scan()) {
      if (!('code' in part)) continue;
      length += part.code.length;
      if (length > codeLengthMax)
        throw invalid(this.file, `its workflow code has more than ${codeLengthMax} characters`);
      parts.push(part.code);
    }
    if (parts.length > 0) return parts.join('');
    throw new RuntimeError(
      'INVALID_INPUT',
      `The run bundle ${this.file} holds no workflow code. Export it with its code, or name the code yourself.`,
    );
  }
}

function foldPage(file: string, document: BoundedDocument, events: readonly HistoryEvent[]): void {
  for (const { seq, ops } of events) {
    if (ops === null) continue;
    try {
      document.apply(ops);
    } catch (error) {
      if (error instanceof DocumentFault && error.isSize) {
        throw tooLarge(file, `the context patch ${seq} makes ${error.message}`, 'documentBytes');
      }
      const isOurs = error instanceof DocumentFault || error instanceof RuntimeError || error instanceof SyntaxError;
      if (!isOurs && !(error instanceof RangeError)) throw error;
      throw invalid(file, `the context patch ${seq} cannot be applied: ${error.message}`, error);
    }
  }
}

function forReplay(event: HistoryEvent, args: NonNullable<HistoryRange['arguments']>): HistoryEvent {
  if (event.type !== 'ActivityScheduled' || event.payload === null || args === 'whole') return event;
  return { ...event, payload: args === 'none' ? null : sha256(event.payload) };
}
