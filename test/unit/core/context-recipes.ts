// Random documents and random recipes for them, and immer's results.
import fc from 'fast-check';
import { produce, setAutoFreeze } from 'immer';
import { copyJson, type Json } from '../../../runtime/core/json/json.ts';
import { follow, type Recipe, type Source, type Step } from '../../support/fixtures/recipes.ts';

const keys = ['a', 'b', '0', 'a/b', 'moved', 'm~n'];
const scalar = fc.constantFrom<Json>(null, true, 0, 1, 2, 'x', '');
const { value: json } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...keys), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
export const documents: fc.Arbitrary<Json> = json.filter((value) => typeof value === 'object' && value !== null);

const slot = fc.nat({ max: 2 });
const source: fc.Arbitrary<Source> = fc.oneof(
  fc.record({ from: fc.constant('new' as const), value: json }),
  fc.record({ from: fc.constant('held' as const), slot }),
  fc.record({ from: fc.constant('around' as const), slot, inList: fc.boolean() }),
);
const step: fc.Arbitrary<Step> = fc.record({
  at: fc.option(slot, { freq: 2 }),
  walk: fc.array(fc.nat({ max: 5 }), { maxLength: 3 }),
  action: fc.nat({ max: 18 * 9 }),
  key: fc.constantFrom(...keys),
  n: fc.nat({ max: 6 }),
  m: fc.nat({ max: 4 }),
  sources: fc.tuple(source, source),
});
export const recipes: fc.Arbitrary<Recipe> = fc.record({
  steps: fc.array(step, { maxLength: 8 }),
  returns: fc.oneof({ weight: 8, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: source }),
});

/** The document that immer produces; undefined when immer rejects the recipe, or when JSON cannot hold its result. */
export function produced(document: Json, recipe: Recipe): Json | undefined {
  // The next recipe could not change a frozen result.
  setAutoFreeze(false);
  try {
    const after = copyJson(produce(document, (draft: unknown) => follow(recipe, draft)));
    return typeof after === 'object' && after !== null ? after : undefined;
  } catch {
    return undefined;
  }
}
