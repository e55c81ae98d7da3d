// Run bundles: what is written is read back exactly, and a changed file is refused with a code.
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { HistoryEvent } from '../../../runtime/core/log/event.ts';
import type { HistorySource } from '../../../runtime/core/log/history-source.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { exportRun } from '../../../runtime/replay/run-bundle/export-run.ts';
import { readRunBundle } from '../../../runtime/replay/run-bundle/run-bundle.ts';
import { runDiff } from '../../../runtime/replay/run-diff.ts';
import { ListedHistory, linesOf, type Planned, runFiles, sealedLog } from '../../support/run-files.ts';

const files = await runFiles();
after(() => files.remove());

async function eventsOf(source: HistorySource): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for await (const page of source.pages({ arguments: 'whole' })) events.push(...page);
  return events;
}

const plain = (events: readonly HistoryEvent[]): unknown[] =>
  events.map((event) => ({
    ...event,
    payload: event.payload && Buffer.from(event.payload).toString('hex'),
    hash: event.hash && Buffer.from(event.hash).toString('hex'),
  }));

const add = (path: string, value: unknown): Planned => [
  'ContextPatched',
  { source: 'system', sourceId: 'demo', ops: JSON.stringify([{ op: 'add', path, value }]) },
];
const call = (payload: Uint8Array, id = '1'): Planned => [
  'ActivityScheduled',
  { name: 'load', payload, meta: JSON.stringify({ id }) },
];
const completed: Planned = ['WorkflowCompleted', { payload: encodePayload({ ok: true }) }];

const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(
    new Date(5),
    new Error('no', { cause: [undefined, -0] }),
    12n,
    new Map([[1, new Set(['x'])]]),
    new Uint8Array([0, 255]),
    Number.NaN,
    'ü€😀\u2028',
  ),
);
const turn = fc.array(
  fc.oneof(
    value.map((given): Planned => call(encodePayload([given]))),
    fc
      .tuple(fc.string({ unit: 'grapheme' }), fc.jsonValue())
      .map(
        ([key, given]): Planned =>
          add(`/${key.replaceAll('\0', '').replaceAll('~', '~0').replaceAll('/', '~1')}`, given),
      ),
    fc.constant<Planned>(['SignalReceived', { name: 'go', payload: new Uint8Array([9, 1, 2]), reason: 'ü' }]),
  ),
  { minLength: 1, maxLength: 5 },
);
const log = fc.array(turn, { maxLength: 6 }).map((turns) => sealedLog([[add('', {})], ...turns, [completed]]));

test('a run that was exported is read back byte for byte', async () => {
  await fc.assert(
    fc.asyncProperty(log, async (source) => {
      const bundle = await readRunBundle(await files.exported(source));
      assert.deepEqual(plain(await eventsOf(bundle)), plain(source.events));
      const { runId, workflowId, workflowType, status, head, line } = source;
      assert.deepEqual([bundle.runId, bundle.workflowId, bundle.workflowType], [runId, workflowId, workflowType]);
      assert.deepEqual([bundle.status, bundle.head, bundle.line], [status, head, line]);
    }),
    { numRuns: 60 },
  );
});

test('a run whose first turn has not ended can be exported', async () => {
  const source = sealedLog([]);
  const bundle = await readRunBundle(await files.exported(source));
  assert.deepEqual([bundle.head, bundle.headHash, bundle.status], [1, null, 'running']);
});

test('parts of a bundle are read by seq and by time, and with digests instead of arguments', async () => {
  const args = encodePayload(['arguments']);
  const source = sealedLog([[add('', { n: 0 }), call(args)], [add('/n', 1)], [completed]]);
  const bundle = await readRunBundle(await files.exported(source));
  const seqs: number[] = [];
  for await (const page of bundle.pages({ after: 1, upTo: 3 })) {
    for (const { seq, payload } of page) {
      seqs.push(seq);
      assert.equal(payload, null, 'arguments are left out unless they are asked for');
    }
  }
  assert.deepEqual(seqs, [2, 3]);
  const patches: number[] = [];
  for await (const page of bundle.patches(3)) patches.push(...page.map(({ seq }) => seq));
  assert.deepEqual(patches, [2]);
  const [, , { at }] = source.events as [HistoryEvent, HistoryEvent, HistoryEvent];
  assert.deepEqual([await bundle.seqAt(at - 1), await bundle.seqAt(at), await bundle.seqAt(0)], [1, 3, 0]);
  assert.ok((await runDiff(bundle, source)).isSame);
});

test('a run whose log was changed is not exported, and no file is left', async () => {
  const source = sealedLog([[call(encodePayload([1]))], [completed]]);
  const changed = source.events.map((event) => (event.seq === 2 ? { ...event, name: 'other' } : event));
  const before = await readdir(files.folder);
  await assert.rejects(files.exported(new ListedHistory(source.runId, changed)), {
    code: 'HISTORY_CONFLICT',
    message: /the turn of events 1 to 2 does not match its hash/,
  });
  await assert.rejects(exportRun(source, `${files.folder}/no/such/folder.gz`, { now: new Date() }), {
    code: 'INVALID_INPUT',
    message: /cannot be written \(ENOENT\)/,
  });
  assert.deepEqual(await readdir(files.folder), before);
});

test('code in a bundle is returned as text, and only with its digest', async () => {
  const source = sealedLog([[completed]]);
  const file = files.path();
  const text = `${'code 😀 '.repeat(100_000)}`;
  await exportRun(source, file, { now: new Date(), code: { hash: 'a'.repeat(64), text } });
  const bundle = await readRunBundle(file);
  assert.deepEqual([bundle.hasCode, bundle.bundleHash], [true, 'a'.repeat(64)]);
  assert.equal(await bundle.readCode(), text);
  const lines = await linesOf(file);
  const changed = await files.written(
    lines.map((line) => (line.startsWith('{"code"') ? line.replace('code ', 'evil ') : line)),
  );
  await assert.rejects(readRunBundle(changed), { code: 'BUNDLE_INVALID', message: /does not match its digest/ });
  await assert.rejects((await readRunBundle(await files.exported(source))).readCode(), { code: 'INVALID_INPUT' });
});

test('a missing file is wrong input, and a file that is not a bundle is an invalid bundle', async () => {
  await assert.rejects(readRunBundle('/no/such/file'), { code: 'INVALID_INPUT', message: /ENOENT/ });
  await assert.rejects(readRunBundle(files.folder), { code: 'INVALID_INPUT', message: /EISDIR/ });
  const file = files.path();
  for (const content of ['', 'text', gzipSync(''), gzipSync('{}\n'), gzipSync('{"format":"other"}\n')]) {
    await writeFile(file, content);
    await assert.rejects(readRunBundle(file), { code: 'BUNDLE_INVALID' });
  }
  await assert.rejects(readRunBundle(file, { limits: { event: 1 } as never }), { code: 'INVALID_INPUT' });
});

/** What a reader of a changed file may get: the run as it was, or a refusal with a code. */
async function assertRefusedOrSame(file: string, source: ListedHistory): Promise<void> {
  try {
    const bundle = await readRunBundle(file);
    assert.deepEqual(plain(await eventsOf(bundle)), plain(source.events));
    const { runId, workflowType, status } = source;
    assert.deepEqual([bundle.runId, bundle.workflowType, bundle.status], [runId, workflowType, status]);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    assert.ok(error.code === 'BUNDLE_INVALID' || error.code === 'BUNDLE_TOO_LARGE', `${error.code}: ${error.message}`);
  }
  assert.deepEqual(Object.keys(Object.prototype), []);
}

const sample = sealedLog([
  [add('', { list: [1], deep: { a: 1 } }), call(encodePayload([new Date(1)]), 'first')],
  [['ActivityCompleted', { answers: 3, attempt: 1, payload: encodePayload({ a: [1, 2] }) }], add('/deep/b', 2)],
  [['SignalReceived', { name: 's', payload: encodePayload([]), source: 'user', reason: 'r', sourceId: 'me' }]],
  [completed],
]);
const sampleLines = await linesOf(await files.exported(sample));

test('a file with a changed byte is refused or gives the same run', async () => {
  const content = await readFile(await files.exported(sample));
  const text = Buffer.from(`${sampleLines.join('\n')}\n`);
  const change = fc.tuple(fc.boolean(), fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(99));
  await fc.assert(
    fc.asyncProperty(change, async ([isPacked, place, bits, cut]) => {
      const bytes = Buffer.from(isPacked ? content : text);
      bytes[place % bytes.length]! ^= bits;
      const shortened = cut < 10 ? bytes.subarray(0, place % bytes.length) : bytes;
      const file = files.path();
      await writeFile(file, isPacked ? shortened : gzipSync(shortened));
      await assertRefusedOrSame(file, sample);
    }),
    { numRuns: 400 },
  );
});

test('a file with lines removed, repeated, swapped or mixed with another run is refused or gives the same run', async () => {
  const other = await linesOf(await files.exported(sealedLog([[call(encodePayload([2]))], [completed]])));
  const change = fc.tuple(fc.constantFrom('remove', 'repeat', 'swap', 'replace', 'insert'), fc.nat(), fc.nat());
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      const lines = [...sampleLines];
      for (const [how, i, j] of changes) {
        const [at, to, foreign] = [i % lines.length, j % lines.length, other[j % other.length]!];
        if (how === 'remove' && lines.length > 1) lines.splice(at, 1);
        if (how === 'repeat') lines.splice(at, 0, lines[to]!);
        if (how === 'swap') [lines[at], lines[to]] = [lines[to]!, lines[at]!];
        if (how === 'replace') lines[at] = foreign;
        if (how === 'insert') lines.splice(at, 0, foreign);
      }
      await assertRefusedOrSame(await files.written(lines), sample);
    }),
    { numRuns: 300 },
  );
});

test('a file with any member of any line set to any value is refused or gives the same run', async () => {
  const members = [
    'seq',
    'type',
    'at',
    'name',
    'answers',
    'ops',
    'json',
    'base64',
    'meta',
    'hash',
    'head',
    'line',
    'run',
  ];
  const names = fc.constantFrom(...members, '__proto__', 'constructor', 'toString', 'x');
  const given = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(
      2 ** 31,
      1e300,
      -1,
      '\0',
      '\ud800',
      '{"__proto__":{"x":1}}',
      '[{"op":"add","path":"/__proto__/x","value":1}]',
    ),
    fc.constantFrom('['.repeat(9_999), `"${'\\"'.repeat(9_999)}"`, 'AQ==', 'Ad3/////', '1'.repeat(10_001)),
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(), names, given, async (at, name, changed) => {
      const lines = [...sampleLines];
      const place = at % lines.length;
      const rest = lines[place]!.slice(1).replace(new RegExp(`"${name}":("[^"]*"|[^,}"]*),?`), '');
      lines[place] = `{${JSON.stringify(name)}:${JSON.stringify(changed)}${rest === '}' ? '' : ','}${rest}`;
      await assertRefusedOrSame(await files.written(lines), sample);
    }),
    { numRuns: 600 },
  );
});

async function refusal(turns: readonly (readonly Planned[])[]): Promise<RuntimeError> {
  const file = await files.exported(sealedLog(turns));
  const error: unknown = await readRunBundle(file, { limits: { documentBytes: 2 ** 20 } }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof RuntimeError, `expected a refusal, got ${String(error)}`);
  return error;
}

test('contents that would break their reader are refused although their hashes are right', async () => {
  const nested = '['.repeat(500) + ']'.repeat(500);
  const ops = (text: string): Planned => ['ContextPatched', { source: 'system', sourceId: 'd', ops: text }];
  const cases: [what: string, turns: Planned[][], code: string, message: RegExp][] = [
    [
      'a msgpack list longer than its payload',
      [[call(new Uint8Array([1, 0xdd, 255, 255, 255, 255]))]],
      'BUNDLE_INVALID',
      /list longer/,
    ],
    [
      'a msgpack text that is cut off',
      [[call(new Uint8Array([1, 0xd9, 200, 65]))]],
      'BUNDLE_INVALID',
      /longer than the payload/,
    ],
    [
      'bytes behind a msgpack value',
      [[call(new Uint8Array([1, 0xc0, 0xc0]))]],
      'BUNDLE_INVALID',
      /too many or too few/,
    ],
    ['JSON nested too deep', [[call(Buffer.from(`\x02${nested}`))]], 'BUNDLE_INVALID', /nested deeper/],
    ['a JSON payload that is not UTF-8', [[call(new Uint8Array([2, 0xff]))]], 'BUNDLE_INVALID', /not UTF-8/],
    ['meta nested too deep', [[['SignalReceived', { meta: `{"a":${nested}}` }]]], 'BUNDLE_INVALID', /meta of event 2/],
    ['meta that is not an object', [[['SignalReceived', { meta: 'null' }]]], 'BUNDLE_INVALID', /meta of event 2/],
    [
      'an answer to a later event',
      [[['ActivityCompleted', { answers: 9 }]]],
      'BUNDLE_INVALID',
      /answers the later event 9/,
    ],
    [
      'operations of another event',
      [[['SignalReceived', { ops: '[]' }]]],
      'BUNDLE_INVALID',
      /SignalReceived has operations/,
    ],
    ['a patch that does not apply', [[add('/a/b', 1)]], 'BUNDLE_INVALID', /context patch 2 cannot be applied/],
    ['a patch without a value', [[ops('[{"op":"add","path":""}]')]], 'BUNDLE_INVALID', /without a value/],
    ['a patch of no list', [[ops('{}')]], 'BUNDLE_INVALID', /not a list/],
    [
      'an event behind the end',
      [[completed], [['SignalReceived', {}]]],
      'BUNDLE_INVALID',
      /cannot follow in a run that is completed/,
    ],
    [
      'an event of another time',
      [
        [
          ['WorkflowForked', {}],
          ['WorkflowStarted', { name: 'demo' }],
        ],
      ],
      'BUNDLE_INVALID',
      /WorkflowStarted cannot follow/,
    ],
    [
      'copies that double the document',
      [
        [add('', { a: 'x'.repeat(100) })],
        ...Array.from({ length: 40 }, (_, i) => [ops(`[{"op":"copy","from":"","path":"/${i}"}]`)]),
      ],
      'BUNDLE_TOO_LARGE',
      /documentBytes/,
    ],
    [
      'a document that grows',
      [[add('', {})], ...Array.from({ length: 40 }, (_, i) => [add(`/${i}`, 'y'.repeat(50_000))])],
      'BUNDLE_TOO_LARGE',
      /too large/,
    ],
    [
      'too many values in one event',
      [[call(Buffer.from(`\x02[${'1,'.repeat(99_999)}1]`))]],
      'BUNDLE_TOO_LARGE',
      /values/,
    ],
    [
      'a turn without an end',
      [Array.from({ length: 2_000 }, () => call(Buffer.alloc(2_000, 9)))],
      'BUNDLE_TOO_LARGE',
      /a turn is too large/,
    ],
  ];
  for (const [what, turns, code, message] of cases) {
    const error = await refusal(turns);
    assert.equal(error.code, code, `${what}: ${error.message}`);
    assert.match(error.message, message, what);
  }
});

test('a document that is replaced again and again is not counted again and again', async () => {
  const file = await files.exported(
    sealedLog([[add('', {})], ...Array.from({ length: 60 }, () => [add('/a', 'y'.repeat(50_000))]), [completed]]),
  );
  assert.equal((await readRunBundle(file, { limits: { documentBytes: 2 ** 20 } })).status, 'completed');
});

test('keys of prototypes in operations change no prototype', async () => {
  for (const path of ['/__proto__/x', '/constructor/prototype/x', '/__proto__']) {
    const file = await files.exported(sealedLog([[add('', {})], [add(path, { polluted: true })]]));
    await readRunBundle(file).catch((error: unknown) => {
      assert.equal((error as RuntimeError).code, 'BUNDLE_INVALID');
    });
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.equal(({} as Record<string, unknown>)['x'], undefined);
  }
});

test('a bundle over the limits of events, bytes or lines is refused', async () => {
  const file = await files.exported(sample);
  for (const limits of [{ events: 3 }, { bytes: 500 }, { lineBytes: 100 }]) {
    const [name] = Object.keys(limits);
    await assert.rejects(readRunBundle(file, { limits }), {
      code: 'BUNDLE_TOO_LARGE',
      message: new RegExp(`limits.${name}`),
    });
  }
});
