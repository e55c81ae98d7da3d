// Random steps of the program that property tests run.
import fc from 'fast-check';
import type { Step } from './fixtures/program.ts';

const text = fc.string({ maxLength: 6 });

export const programStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('call' as const), value: text }),
  fc.record({ do: fc.constant('local' as const), values: fc.array(text, { maxLength: 3 }) }),
  fc.record({ do: fc.constant('fail' as const), times: fc.integer({ min: 0, max: 3 }) }),
  fc.constant({ do: 'sleep' as const }),
  fc.constant({ do: 'random' as const }),
  fc.record({ do: fc.constant('update' as const), key: fc.constantFrom('a', 'b/c', '~', '') }),
  fc.record({ do: fc.constant('each' as const), items: fc.array(text, { maxLength: 5 }) }),
  fc.constant({ do: 'race' as const }),
  fc.constant({ do: 'cancel' as const }),
  fc.record({ do: fc.constant('stage' as const), values: fc.array(text, { maxLength: 4 }) }),
);
