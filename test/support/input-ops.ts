// Random operations on the documents of property tests: `{ counts: {…}, list: […] }`. Many of them do not apply.
import fc from 'fast-check';
import type { InputOp } from '../../runtime/core/context/context-input.ts';

const key = fc.constantFrom('0', '1', '2');
const index = fc.nat({ max: 3 });

export const inputOp: fc.Arbitrary<InputOp> = fc.oneof(
  fc.record({ op: fc.constant('set' as const), path: key.map((name) => `/counts/${name}`), value: fc.nat({ max: 9 }) }),
  fc.record({ op: fc.constant('remove' as const), path: key.map((name) => `/counts/${name}`) }),
  fc.record({ op: fc.constant('append' as const), path: fc.constant('/list'), value: fc.nat({ max: 9 }) }),
  fc.record({ op: fc.constant('remove' as const), path: index.map((at) => `/list/${at}`) }),
  fc.record({ op: fc.constant('add' as const), path: index.map((at) => `/list/${at}`), value: fc.constant({ a: 1 }) }),
  fc.record({
    op: fc.constant('move' as const),
    from: key.map((name) => `/counts/${name}`),
    path: fc.constant('/list/0'),
  }),
  fc.record({
    op: fc.constant('merge' as const),
    path: fc.constant('/counts'),
    value: fc.dictionary(key, fc.option(fc.nat())),
  }),
);
