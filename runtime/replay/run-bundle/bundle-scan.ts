// Reads a run bundle once, from its first to its last line, and checks everything on the way: form of each line, order,
// segments, legal sequence of events, hash chain, contents. The caller gets events only after these checks.
import { createHash } from 'node:crypto';
import { payloadBounds } from './payload-bounds.ts';
import { jsonTextBounds } from './json-bounds.ts';
import { ChainVerifier } from '../../core/log/chain-verifier.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { LineSegment } from '../../core/log/line.ts';
import { type RunStatus, statusAfter } from '../../core/log/transition.ts';
import { readForkedMeta } from '../../core/run/forked-meta.ts';
import { readStartMeta } from '../../core/run/start-meta.ts';
import { sha256 } from '../../store/codec/sha256.ts';
import { bytesOfValue, isJsonObject } from './bounded-document.ts';
import { boundedLines, invalid, tooLarge } from './bounded-lines.ts';
import { type BundleHeader, eventOf } from './bundle-lines.ts';
import type { BundleLines, CheckLine } from './bundle-schema.ts';

export interface BundleLimits {
  /** Number of events; default 2,000,000. */
  readonly events: number;
  /** Size of the uncompressed file; default 1 GiB. */
  readonly bytes: number;
  /** Size of a line, which holds an event; default 16 MiB. */
  readonly lineBytes: number;
  /** Approximate size in memory of the context document, and of one event's contents; default 256 MiB. */
  readonly documentBytes: number;
}

export const defaultLimits: BundleLimits = {
  events: 2_000_000,
  bytes: 2 ** 30,
  lineBytes: 2 ** 24,
  documentBytes: 2 ** 28,
};

export type ScannedPart =
  | { readonly header: BundleHeader }
  | { readonly events: readonly HistoryEvent[] }
  | { readonly code: string };

/** A line is flat. Only the header has lists: its segments. */
const lineDepthMax = 4;
const headerValuesMax = 50_000;
const lineValuesMax = 64;
const pageEvents = 1_000;
const pageBytes = 2 ** 20;

export class BundleScan {
  readonly #file: string;
  readonly #limits: BundleLimits;
  readonly #checkLine: CheckLine;
  #place = 0;

  constructor(file: string, limits: BundleLimits, checkLine: CheckLine) {
    this.#file = file;
    this.#limits = limits;
    this.#checkLine = checkLine;
  }

  /** The header, then the events in pages, then the parts of the code. @throws BUNDLE_INVALID, BUNDLE_TOO_LARGE */
  async *parts(): AsyncGenerator<ScannedPart, void, undefined> {
    const lines = boundedLines(this.#file, this.#limits);
    try {
      const header = this.#line('header', await this.#next(lines));
      this.#checkHeader(header);
      yield { header };
      yield* this.#segments(header, lines);
      if (header.code !== null) yield* this.#code(header.code, lines);
      const { end } = this.#line('end', await this.#next(lines));
      if (end.events !== header.head.seq) throw this.#fault(`it ends after ${end.events} of ${header.head.seq} events`);
      if ((await lines.next()).done !== true) throw this.#fault('there is more after its end');
    } finally {
      await lines.return(undefined);
    }
  }

  #checkHeader({ run, head, line }: BundleHeader): void {
    let before = 0;
    const seen = new Set<string>();
    for (const { runId, first, last } of line) {
      if (first !== before + 1 || last < first) throw this.#fault(`its segments do not follow each other at ${first}`);
      if (seen.has(runId)) throw this.#fault(`two of its segments are of run ${runId}`);
      seen.add(runId);
      before = last;
    }
    if (before !== head.seq) throw this.#fault(`its segments end at ${before}, its head is ${head.seq}`);
    if (line.at(-1)!.runId !== run.runId) throw this.#fault(`its last segment is not of run ${run.runId}`);
    if (head.seq > this.#limits.events) {
      throw tooLarge(this.#file, `it has ${head.seq} events, the limit is ${this.#limits.events}`, 'events');
    }
  }

  async *#segments(header: BundleHeader, lines: AsyncGenerator<string>): AsyncGenerator<ScannedPart, void, undefined> {
    const chain = new ChainVerifier(header.line, sha256);
    let status: RunStatus | undefined;
    let page: HistoryEvent[] = [];
    let bytes = 0;
    for (const segment of header.line) {
      this.#checkSegment(segment, this.#line('segment', await this.#next(lines)).segment);
      for (let seq = segment.first; seq <= segment.last; seq++) {
        const text = await this.#next(lines);
        const event = this.#event(text);
        const fault = chain.take(event);
        if (fault !== undefined) throw this.#fault(fault.problem);
        if (seq === segment.first && seq > 1) this.#checkFork(header.line, segment, event);
        if (seq === 1) this.#checkStart(header, event);
        const next = statusAfter(status, event.type);
        if (next === 'refused')
          throw this.#fault(`${event.type} cannot follow in a run that is ${status ?? 'not started'}`);
        status = next;
        page.push(event);
        bytes += text.length;
        if (page.length < pageEvents && bytes < pageBytes) continue;
        // No event is given away before a hash covers it.
        if (chain.unhashed > 0) {
          if (bytes > this.#limits.documentBytes) throw tooLarge(this.#file, 'a turn is too large', 'documentBytes');
          continue;
        }
        yield { events: page };
        page = [];
        bytes = 0;
      }
    }
    this.#checkEnd(header, chain, status);
    if (page.length > 0) yield { events: page };
  }

  /** A fork may have another workflow id than the run in whose log the start is. */
  #checkStart({ run, line }: BundleHeader, start: HistoryEvent): void {
    const { workflowId = run.workflowId } = readStartMeta(start) as { workflowId?: unknown };
    if (start.name !== run.workflowType || (line.length === 1 && workflowId !== run.workflowId)) {
      throw this.#fault('its first event starts another workflow than its header says');
    }
  }

  /** A fork says itself which rows its history begins with. */
  #checkFork(line: readonly LineSegment[], segment: LineSegment, event: HistoryEvent): void {
    if (event.type !== 'WorkflowForked') {
      throw this.#fault(`the segment of run ${segment.runId} begins with ${event.type}, expected WorkflowForked`);
    }
    const textOf = (segments: readonly LineSegment[]): string =>
      JSON.stringify(segments.map(({ runId, first, last }) => [runId, first, last]));
    const ancestors = line.slice(0, line.indexOf(segment));
    const { line: named } = readForkedMeta(event) as { line?: unknown };
    if (!Array.isArray(named) || textOf(named as LineSegment[]) !== textOf(ancestors)) {
      throw this.#fault(`run ${segment.runId} was forked from other segments than those before it`);
    }
  }

  #checkSegment(expected: LineSegment, found: LineSegment): void {
    const { runId, first, last } = expected;
    if (found.runId === runId && found.first === first && found.last === last) return;
    throw this.#fault(
      `here is the segment ${found.runId} ${found.first} to ${found.last}, expected ${runId} ${first} to ${last}`,
    );
  }

  #checkEnd({ head, run }: BundleHeader, chain: ChainVerifier, status: RunStatus | undefined): void {
    const fault = chain.finish();
    if (fault !== undefined) throw this.#fault(fault.problem);
    const found = chain.head.length === 0 ? null : Buffer.from(chain.head).toString('hex');
    if (found !== head.hash) throw this.#fault(`the last hash is ${found}, its header says ${head.hash}`);
    if (status !== run.status) throw this.#fault(`its events end ${status}, its header says ${run.status}`);
  }

  #event(text: string): HistoryEvent {
    const line = this.#line('event', text);
    if (line.json !== undefined && line.base64 !== undefined) throw this.#fault('an event has two payloads');
    const event = eventOf(line);
    const { answers, seq, payload, meta, ops, type } = event;
    if (answers !== null && answers >= seq) throw this.#fault(`event ${seq} answers the later event ${answers}`);
    if ((ops !== null) !== (type === 'ContextPatched'))
      throw this.#fault(`${type} ${ops === null ? 'has no' : 'has'} operations`);
    if (meta !== null && !this.#parses(meta)) throw this.#fault(`the meta of event ${seq} is not a JSON object`);
    if (payload !== null) {
      const { values, fault } = payloadBounds(payload);
      if (fault !== undefined) throw this.#fault(`the payload of event ${seq} is ${fault}`);
      this.#checkValues(values, seq);
    }
    return event;
  }

  #parses(meta: string): boolean {
    this.#checkValues(jsonTextBounds(meta).values, this.#place);
    try {
      return isJsonObject(meta);
    } catch (error) {
      if (error instanceof SyntaxError) return false;
      throw error;
    }
  }

  #checkValues(values: number, seq: number): void {
    if (values * bytesOfValue <= this.#limits.documentBytes) return;
    throw tooLarge(this.#file, `event ${seq} has ${values} values`, 'documentBytes');
  }

  async *#code(
    { sha256: expected, length }: NonNullable<BundleHeader['code']>,
    lines: AsyncGenerator<string>,
  ): AsyncGenerator<ScannedPart, void, undefined> {
    const digest = createHash('sha256');
    for (let left = length; left > 0; ) {
      const { code } = this.#line('code', await this.#next(lines));
      if (code === '' || code.length > left)
        throw this.#fault('its workflow code has another length than its header says');
      left -= code.length;
      digest.update(Buffer.from(code, 'utf16le'));
      yield { code };
    }
    if (digest.digest('hex') !== expected) throw this.#fault('its workflow code does not match its digest');
  }

  async #next(lines: AsyncGenerator<string>): Promise<string> {
    const { value, done } = await lines.next();
    if (done === true) throw this.#fault('it is cut off');
    this.#place++;
    return value;
  }

  #line<Kind extends keyof BundleLines>(kind: Kind, text: string): BundleLines[Kind] {
    const { depth, values } = jsonTextBounds(text);
    if (depth > lineDepthMax || values > (kind === 'header' ? headerValuesMax : lineValuesMax)) {
      throw this.#fault(`expected a line of kind ${kind}, found one with too many values`);
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw this.#fault(`expected a line of kind ${kind}, found no JSON`, error);
    }
    const checked = this.#checkLine(kind, value);
    if ('fault' in checked) throw this.#fault(`expected a line of kind ${kind}: ${checked.fault}`);
    return checked.line;
  }

  #fault(problem: string, cause?: unknown): Error {
    return invalid(this.#file, `line ${this.#place}: ${problem}`, cause);
  }
}
