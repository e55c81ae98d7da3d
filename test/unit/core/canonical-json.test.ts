import assert from 'node:assert/strict';
import { test } from 'node:test';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { canonicalJson } from '../../../runtime/core/json/canonical-json.ts';
import type { Json } from '../../../runtime/core/json/json.ts';

test('the canonical text is that of RFC 8785', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      assert.equal(canonicalJson(value as Json), canonicalize(value));
    }),
  );
  assert.equal(
    canonicalJson({ b: [1, 1e21, -0], '\u20ac': 'x', a: { d: null, c: true } }),
    '{"a":{"c":true,"d":null},"b":[1,1e+21,0],"€":"x"}',
  );
});
