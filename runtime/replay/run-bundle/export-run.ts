// Writes a run bundle: streams the log of a run into a compressed file, so memory does not grow with the run. The file
// appears under its name only when it is complete.
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { ChainVerifier } from '../../core/log/chain-verifier.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { HistorySource } from '../../core/log/history-source.ts';
import { sha256 } from '../../store/codec/sha256.ts';
import { bundleFormat, type BundleHeader, bundleVersion, eventLine, textDigest } from './bundle-lines.ts';

/** Workflow code to include: the hash of a workflow bundle and its JSON text. */
export interface ExportedCode {
  readonly hash: string;
  readonly text: string;
}

export interface ExportedRun {
  readonly file: string;
  readonly runId: string;
  readonly events: number;
  /** The last hash of the chain, hex; null if no turn has ended yet. */
  readonly headHash: string | null;
}

/** Characters of workflow code in one line. */
const codePart = 2 ** 18;

/** @throws HISTORY_CONFLICT when the log does not match its hashes, INVALID_INPUT when the file cannot be written */
export async function exportRun(
  source: HistorySource,
  file: string,
  { now, code }: { now: Date; code?: ExportedCode | undefined },
): Promise<ExportedRun> {
  const headHash = await lastHash(source);
  const header: BundleHeader = {
    format: bundleFormat,
    version: bundleVersion,
    run: {
      runId: source.runId,
      workflowId: source.workflowId,
      workflowType: source.workflowType,
      status: source.status,
    },
    head: { seq: source.head, hash: headHash },
    line: source.line,
    codeHash: code?.hash ?? source.bundleHash ?? null,
    code: code === undefined ? null : { sha256: textDigest(code.text), length: code.text.length },
    exportedAt: now.toISOString(),
  };
  const unfinished = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await pipeline(
      Readable.from(bundleText(header, source, code)),
      createGzip(),
      createWriteStream(unfinished, { flags: 'wx' }),
    );
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw writeFault(file, error);
  }
  return { file, runId: source.runId, events: source.head, headHash };
}

async function lastHash(source: HistorySource): Promise<string | null> {
  let last: Uint8Array | null = null;
  for await (const page of source.pages({ after: source.head - 1, upTo: source.head })) last = page.at(-1)!.hash;
  return last === null ? null : Buffer.from(last).toString('hex');
}

/** Pieces of the file. A piece holds the lines of a page. */
async function* bundleText(
  header: BundleHeader,
  source: HistorySource,
  code: ExportedCode | undefined,
): AsyncGenerator<string, void, undefined> {
  yield lineOf(header);
  const chain = new ChainVerifier(header.line, sha256);
  const segments = [...header.line];
  for await (const page of source.pages({ arguments: 'whole' })) {
    let text = '';
    for (const event of page) {
      if (segments[0]?.first === event.seq) text += lineOf({ segment: segments.shift() });
      checkEvent(chain, event, header.run.runId);
      text += lineOf(eventLine(event));
    }
    yield text;
  }
  const fault = chain.seq === header.head.seq ? chain.finish() : { problem: `events after ${chain.seq} are missing` };
  if (fault !== undefined) throw damaged(header.run.runId, fault.problem);
  for (let at = 0; at < (code?.text.length ?? 0); at += codePart)
    yield lineOf({ code: code!.text.slice(at, at + codePart) });
  yield lineOf({ end: { events: header.head.seq } });
}

function lineOf(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function checkEvent(chain: ChainVerifier, event: HistoryEvent, runId: string): void {
  const fault = chain.take(event);
  if (fault !== undefined) throw damaged(runId, fault.problem);
}

function damaged(runId: string, problem: string): RuntimeError {
  return new RuntimeError(
    'HISTORY_CONFLICT',
    `Run ${runId} is not exported, because its log was changed: ${problem}. Restore the log from a backup.`,
    { runId },
  );
}

function writeFault(file: string, error: unknown): unknown {
  const { code = '' } = error as { code?: string };
  if (error instanceof RuntimeError || !/^E[A-Z]+$/.test(code)) return error;
  return new RuntimeError('INVALID_INPUT', `The run bundle ${file} cannot be written (${code}). Check the path.`, {
    cause: error,
  });
}
