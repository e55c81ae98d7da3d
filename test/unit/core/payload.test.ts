// What a payload preserves, in both realms, and what is rejected with its path.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';
import { build } from 'esbuild';
import fc from 'fast-check';
import { decodePayload, encodePayload } from '../../../runtime/core/payload/payload.ts';

function survive(value: unknown): unknown {
  return decodePayload(encodePayload(value));
}

const primitive = fc.oneof(
  fc.constantFrom(undefined, null, true, false, Number.NaN, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.bigInt({ min: -(2n ** 600n), max: 2n ** 600n }),
  fc.string({ unit: 'binary', maxLength: 80 }),
  // UTF-16 units, so that lone surrogates occur too.
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 }).map((units) => String.fromCharCode(...units)),
);

const leaf = fc.oneof(primitive, fc.date({ noInvalidDate: false }), fc.uint8Array({ maxLength: 300 }));

function dropUndefined(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [key, value] of entries) {
    if (value !== undefined)
      Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return object;
}

const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    leaf,
    fc.array(tie('value')),
    fc
      .array(
        fc.tuple(
          fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', '\ud800')),
          tie('value'),
        ),
      )
      .map(dropUndefined),
    fc.array(tie('value')).map((items) => new Set(items)),
    fc.array(fc.tuple(tie('value'), tie('value'))).map((entries) => new Map(entries)),
  ),
}));

test('every value is preserved exactly', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      assert.deepStrictEqual(survive(value), value);
    }),
    { numRuns: 500 },
  );
});

test('a value of another realm encodes to the same bytes', () => {
  const context = vm.createContext({ decodeHere: undefined });
  // A realm's own Object, Array, Map, Set, Date, Uint8Array, rebuilt from a description.
  const rebuild: unknown = vm.runInContext(
    `(function rebuild(v, kindOf) {
      const again = (item) => rebuild(item, kindOf);
      switch (kindOf(v)) {
        case 'array': return Array.from(v, again);
        case 'map': { const m = new Map(); for (const [k, x] of v) m.set(again(k), again(x)); return m; }
        case 'set': { const s = new Set(); for (const x of v) s.add(again(x)); return s; }
        case 'date': return new Date(v.getTime());
        case 'bytes': return Uint8Array.from(v);
        case 'object': { const o = {}; for (const k of Object.keys(v)) Object.defineProperty(o, k, { value: again(v[k]), enumerable: true }); return o; }
        default: return v;
      }
    })`,
    context,
  );
  function kindOf(value: unknown): string {
    if (Array.isArray(value)) return 'array';
    if (value instanceof Map) return 'map';
    if (value instanceof Set) return 'set';
    if (value instanceof Date) return 'date';
    if (value instanceof Uint8Array) return 'bytes';
    return typeof value === 'object' && value !== null ? 'object' : 'primitive';
  }
  fc.assert(
    fc.property(anyValue, (value) => {
      assert.ok(typeof rebuild === 'function');
      assert.deepStrictEqual(encodePayload(rebuild(value, kindOf)), encodePayload(value));
    }),
  );
});

test('the codec runs inside a vm context and creates values of that realm', async () => {
  const entry = `export * from ${JSON.stringify(new URL('../../../runtime/core/payload/payload.ts', import.meta.url).pathname)}`;
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'codec',
  });
  const inside = vm.createContext({ TextEncoder, TextDecoder });
  vm.runInContext(outputFiles[0]?.text ?? '', inside);
  const again = vm.runInContext('(bytes) => codec.encodePayload(codec.decodePayload(bytes))', inside) as (
    bytes: Uint8Array,
  ) => Uint8Array;
  fc.assert(
    fc.property(anyValue, (value) => {
      assert.deepStrictEqual(decodePayload(again(encodePayload(value))), value);
    }),
  );
  const realm = vm.runInContext(
    '(bytes) => codec.decodePayload(bytes).every((item, i) => item instanceof [Object, Array, Map, Set, Date, Uint8Array, Error][i])',
    inside,
  ) as (bytes: Uint8Array) => boolean;
  const oneOfEach = [{ a: 1 }, [1], new Map(), new Set(), new Date(0), Uint8Array.of(1), new Error('x')];
  assert.equal(realm(Buffer.from(encodePayload(oneOfEach))), true);
});

test('errors keep name, message, stack and cause', () => {
  const inner = vm.runInNewContext('new RangeError("inner")');
  const error = Object.assign(new TypeError('outer', { cause: { inner } }), { ignored: 1 });
  const [decoded] = survive([error]) as [Error];
  assert.ok(decoded instanceof Error);
  assert.deepEqual([decoded.name, decoded.message, decoded.stack], ['TypeError', 'outer', error.stack]);
  const cause = (decoded.cause as { inner: Error }).inner;
  assert.deepEqual([cause.name, cause.message, cause.cause], ['RangeError', 'inner', undefined]);
  assert.deepEqual(Object.keys(decoded), []);
});

test('undefined properties are dropped, and undefined elements and holes become undefined', () => {
  // biome-ignore lint/suspicious/noSparseArray: the hole is the point
  assert.deepStrictEqual(survive({ a: undefined, b: [1, , undefined] }), { b: [1, undefined, undefined] });
  assert.equal(survive(undefined), undefined);
});

test('a class instance becomes its own enumerable properties, toJSON is called, and boxed primitives are unboxed', () => {
  class Point {
    x = 1;
    readonly #hidden = 2;
    sum(): number {
      return this.x + this.#hidden;
    }
  }
  const money = { toJSON: () => ({ cents: undefined, sign: -0, at: new Date(7) }) };
  assert.deepStrictEqual(survive([new Point(), money, Object('text'), Object(-0)]), [
    { x: 1 },
    { sign: -0, at: new Date(7) },
    'text',
    -0,
  ]);
  assert.deepStrictEqual(survive({ [Symbol('s')]: 1, a: Object.create(null) }), { a: {} });
});

test('a __proto__ key neither pollutes nor is lost', () => {
  const hostile: unknown = JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": 1}}');
  const decoded = survive(hostile) as Record<string, unknown>;
  assert.equal(Object.getPrototypeOf(decoded), Object.prototype);
  assert.equal(decoded.polluted, undefined);
  assert.equal(JSON.stringify(decoded), JSON.stringify(hostile));
  const fromSql = decodePayload(Uint8Array.of(2, ...new TextEncoder().encode('{"__proto__": {"polluted": true}}')));
  assert.equal((fromSql as Record<string, unknown>).polluted, undefined);
});

test('decoded bytes are plain Uint8Arrays that share no memory with their input', () => {
  const encoded = Buffer.from(
    encodePayload({ bytes: Buffer.from([1, 2, 3]), nested: new Map([['k', Uint8Array.of(4)]]) }),
  );
  const decoded = decodePayload(encoded) as { bytes: Uint8Array; nested: Map<string, Uint8Array> };
  encoded.fill(0);
  assert.deepStrictEqual(decoded, { bytes: Uint8Array.of(1, 2, 3), nested: new Map([['k', Uint8Array.of(4)]]) });
});

test('a getter and toJSON may re-enter the encoder', () => {
  const value = {
    get inner(): Uint8Array {
      return encodePayload({ deep: new Map([[1, { toJSON: () => survive([new Set([2])]) }]]) });
    },
    after: 1,
  };
  const decoded = survive(value) as { inner: Uint8Array };
  assert.deepStrictEqual(decodePayload(decoded.inner), { deep: new Map([[1, [new Set([2])]]]) });
});

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { in: value };
  return value;
}

test('values nest up to the limit and no deeper', () => {
  assert.deepStrictEqual(survive(nested(199)), nested(199));
  assert.throws(() => encodePayload(nested(200)), { code: 'NOT_SERIALISABLE', message: /nested deeper than 200/ });
  let maps: unknown = 1;
  for (let level = 0; level < 100_000; level += 1) maps = new Map([[maps, 1]]);
  assert.throws(() => encodePayload(maps), { code: 'NOT_SERIALISABLE', message: /nested deeper than 200/ });
});

const cyclic: { list: unknown[] } = { list: [1] };
cyclic.list.push({ back: cyclic });
const cyclicMap = new Map<string, unknown>();
cyclicMap.set('self', [cyclicMap]);

const refusals: readonly [name: string, value: unknown, message: RegExp][] = [
  ['a function', { items: [1, 2, 3, { socket() {} }] }, /Cannot serialise \$\.items\[3\]\.socket: a function\./],
  ['a function alone', () => 1, /Cannot serialise \$: a function\./],
  ['a symbol', { 'odd key': Symbol('s') }, /\$\["odd key"\]: a symbol/],
  ['a cycle', cyclic, /\$\.list\[1\]\.back: a cyclic reference to \$\./],
  ['a cycle through a map', { m: cyclicMap }, /\$\.m\.get\("self"\)\[0\]: a cyclic reference to \$\.m/],
  ['a map key', new Map([[() => 1, 1]]), /\$\.keys\(\)\[0\]: a function/],
  ['a set element', new Set([1, Symbol('s')]), /\$\.values\(\)\[1\]: a symbol/],
  ['an error cause', new Error('x', { cause: () => 1 }), /\$\.cause: a function/],
  ['a toJSON result', { a: { toJSON: () => [() => 1] } }, /\$\.a\.toJSON\(\)\[0\]: a function/],
  ['a promise', [Promise.resolve(1)], /\$\[0\]: \[object Promise\]/],
  ['a weak map', new WeakMap(), /\$: \[object WeakMap\]/],
  ['a regular expression', /x/, /\[object RegExp\]/],
  ['a URL', new URL('http://localhost'), /\[object URL\]/],
  ['an array buffer', new ArrayBuffer(2), /\[object ArrayBuffer\]/],
  ['a typed array of other elements', new Float64Array(1), /\[object Float64Array\]/],
  ['a function of another realm', vm.runInNewContext('({ a: [() => 1] })'), /\$\.a\[0\]: a function/],
];

for (const [name, value, message] of refusals) {
  test(`${name} is rejected with its path`, () => {
    assert.throws(() => encodePayload(value), { code: 'NOT_SERIALISABLE', message });
    assert.deepStrictEqual(survive({ fine: 1 }), { fine: 1 }, 'the next payload is not affected');
  });
}

test('errors of getters, traps, toJSON and revoked proxies become the cause', () => {
  const boom = new Error('boom');
  function throwing(): never {
    throw boom;
  }
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const broken: readonly [unknown, string][] = [
    [{ a: Object.defineProperty({}, 'b', { get: throwing, enumerable: true }) }, '$.a.b'],
    [[new Proxy({}, { ownKeys: throwing })], '$[0]'],
    [[new Proxy({}, { getPrototypeOf: throwing })], '$[0]'],
    [{ a: { toJSON: throwing } }, '$.a.toJSON()'],
  ];
  for (const [value, path] of broken) {
    assert.throws(
      () => encodePayload(value),
      (error: Error & { code: string }) =>
        error.code === 'NOT_SERIALISABLE' &&
        error.message.startsWith(`Cannot serialise ${path}:`) &&
        error.cause === boom,
      path,
    );
  }
  assert.throws(() => encodePayload([revoked.proxy]), { code: 'NOT_SERIALISABLE', message: /\$\[0\]/ });
});

test('JSON written by SQL is read', () => {
  const bytes = Buffer.concat([Buffer.of(0x02), Buffer.from('{"id": 1, "name": "Zürich"}')]);
  assert.deepStrictEqual(decodePayload(bytes), { id: 1, name: 'Zürich' });
});

test('an unknown tag, an empty payload and a damaged payload give clear errors', () => {
  const unreadable = (message: RegExp): object => ({ code: 'PAYLOAD_UNREADABLE', message });
  assert.throws(() => decodePayload(Uint8Array.of(9, 1)), unreadable(/unknown tag: found 0x09/));
  assert.throws(() => decodePayload(new Uint8Array(0)), unreadable(/no byte/));
  assert.throws(() => decodePayload(Uint8Array.of(2, 0x7b)), unreadable(/not valid JSON/));
  assert.throws(() => decodePayload(Uint8Array.of(2, 0x22, 0xff, 0x22)), unreadable(/not valid JSON/));
  assert.throws(() => decodePayload(Uint8Array.of(1, 0xd4, 0x63, 0xc0)), unreadable(/not valid msgpack/));
});

test('truncated or altered bytes never cause another kind of error', () => {
  fc.assert(
    fc.property(anyValue, fc.nat(), fc.nat(255), (value, position, byte) => {
      const bytes = encodePayload(value);
      bytes[1 + (position % (bytes.length - 1))] = byte;
      for (const damaged of [bytes, bytes.subarray(0, 1 + (position % bytes.length))]) {
        try {
          decodePayload(damaged);
        } catch (error) {
          assert.equal((error as { code?: unknown }).code, 'PAYLOAD_UNREADABLE');
        }
      }
    }),
    { numRuns: 300 },
  );
});
