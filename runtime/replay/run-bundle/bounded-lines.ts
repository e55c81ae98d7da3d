// The lines of a compressed file, one at a time. A compressed file of kilobytes may stand for terabytes, so lines and
// the whole have limits, and nothing but the current line is in memory.
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { RuntimeError } from '../../core/failure/runtime-error.ts';

export interface LineLimits {
  /** Size of the whole file, uncompressed. */
  readonly bytes: number;
  /** Size of one line. */
  readonly lineBytes: number;
}

const newline = 0x0a;
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws BUNDLE_INVALID, BUNDLE_TOO_LARGE, INVALID_INPUT when there is no such file */
export async function* boundedLines(file: string, limits: LineLimits): AsyncGenerator<string, void, undefined> {
  const source = createReadStream(file);
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  let parts: Buffer[] = [];
  let partsBytes = 0;
  let bytes = 0;
  const add = (part: Buffer): void => {
    partsBytes += part.length;
    if (partsBytes > limits.lineBytes)
      throw tooLarge(file, `a line has more than ${limits.lineBytes} bytes`, 'lineBytes');
    parts.push(part);
  };
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > limits.bytes) throw tooLarge(file, `it has more than ${limits.bytes} bytes uncompressed`, 'bytes');
      let from = 0;
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
        add(chunk.subarray(from, end));
        from = end + 1;
        yield decoded(file, parts);
        parts = [];
        partsBytes = 0;
      }
      if (from < chunk.length) add(chunk.subarray(from));
    }
  } catch (error) {
    throw readFault(file, error);
  } finally {
    source.destroy();
    gunzip.destroy();
  }
  if (partsBytes > 0) throw invalid(file, 'its last line is cut off');
}

function decoded(file: string, parts: readonly Buffer[]): string {
  try {
    return textDecoder.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts));
  } catch (error) {
    throw invalid(file, 'a line is not UTF-8', error);
  }
}

function readFault(file: string, error: unknown): unknown {
  if (error instanceof RuntimeError) return error;
  const { code = '' } = error as { code?: string };
  if (code.startsWith('Z_')) return invalid(file, 'it is not a gzip file, or it is damaged or cut off', error);
  if (!/^E[A-Z]+$/.test(code)) return error;
  return new RuntimeError('INVALID_INPUT', `The run bundle ${file} cannot be read (${code}). Check the path.`, {
    cause: error,
  });
}

export function invalid(file: string, problem: string, cause?: unknown): RuntimeError {
  return new RuntimeError(
    'BUNDLE_INVALID',
    `${file} is not an intact run bundle: ${problem}. Expected a file that \`reprise workflow export\` wrote; export the run again.`,
    { cause },
  );
}

export function tooLarge(file: string, problem: string, limit: string): RuntimeError {
  return new RuntimeError(
    'BUNDLE_TOO_LARGE',
    `The run bundle ${file} is over a limit: ${problem}. If you trust the file, raise limits.${limit}.`,
  );
}
