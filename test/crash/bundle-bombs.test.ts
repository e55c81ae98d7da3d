// Small files that stand for huge ones: a process with little memory refuses them and survives.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { linesOf, runFiles, sealedLog } from '../support/run-files.ts';

const program = fileURLToPath(new URL('read-bundle-process.ts', import.meta.url));
const heapMegabytes = 128;
const maxMegabytes = 700;

const files = await runFiles();
after(() => files.remove());
const [header = '', segment = '', started = '', ...rest] = await linesOf(
  await files.exported(sealedLog([[['WorkflowCompleted', {}]]])),
);
const completed = rest[0]!;

async function codeFor(content: Buffer): Promise<string> {
  const file = files.path();
  await writeFile(file, content);
  const args = ['-C', 'reprise-source', `--max-old-space-size=${heapMegabytes}`, program, file];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { code, maxMegabytes: taken } = JSON.parse(stdout) as { code: string; maxMegabytes: number };
  assert.ok(taken < maxMegabytes, `the process took ${taken} MB`);
  return code;
}

const megabytes = (count: number, text: string): string => text.repeat((count * 2 ** 20) / text.length);
const packed = (...lines: string[]): Buffer => gzipSync(lines.map((line) => `${line}\n`).join(''));
/** Compressed parts one behind the other are one compressed file. */
const repeated = (count: number, part: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => part));

test('a line of 32 gigabytes', async () => {
  const content = Buffer.concat([packed(header, segment), repeated(2_000, gzipSync(megabytes(16, 'aaaa')))]);
  assert.ok(content.length < 2 ** 26);
  assert.equal(await codeFor(content), 'BUNDLE_TOO_LARGE');
});

test('millions of small lines behind the end', async () => {
  const content = Buffer.concat([
    packed(header, segment, started, ...rest),
    repeated(1_000, gzipSync(megabytes(16, '{}\n\n'))),
  ]);
  assert.equal(await codeFor(content), 'BUNDLE_INVALID');
});

test('lines of nothing but brackets, or of millions of values', async () => {
  for (const text of [megabytes(15, '['), `[${megabytes(15, '{},,')}`, `{"x":${megabytes(15, '[],,')}`]) {
    assert.equal(await codeFor(packed(text)), 'BUNDLE_INVALID');
    assert.equal(await codeFor(packed(header, segment, text)), 'BUNDLE_INVALID');
  }
});

test('contents of nothing but brackets, or of millions of values', async () => {
  const event = (member: object): string => JSON.stringify({ ...(JSON.parse(completed) as object), ...member });
  const [nested, many] = [megabytes(1, '['), `[${megabytes(15, '[],[],[],[],')}[]]`];
  for (const [content, code] of [
    [{ meta: nested }, 'BUNDLE_INVALID'],
    [{ json: nested }, 'BUNDLE_INVALID'],
    [{ meta: many }, 'BUNDLE_TOO_LARGE'],
    [{ json: many }, 'BUNDLE_TOO_LARGE'],
    [{ base64: Buffer.concat([Buffer.of(1), Buffer.alloc(11 << 20, 0x91)]).toString('base64') }, 'BUNDLE_INVALID'],
  ] as const) {
    assert.equal(await codeFor(packed(header, segment, started, event(content))), code, Object.keys(content)[0]);
  }
});

test('copies that double the document, with right hashes', async () => {
  const ops = (text: string) => ['ContextPatched', { source: 'system', sourceId: 'd', ops: text }] as const;
  const copies = Array.from({ length: 60 }, (_, i) => [ops(`[{"op":"copy","from":"","path":"/${i}"}]`)]);
  const source = sealedLog([[ops(`[{"op":"add","path":"","value":{"a":"${'x'.repeat(1_000)}"}}]`)], ...copies]);
  const lines = await linesOf(await files.exported(source));
  assert.equal(await codeFor(packed(...lines)), 'BUNDLE_TOO_LARGE');
});
