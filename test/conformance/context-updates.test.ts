// update() of a context with random recipes. The results in memory, from the log and in replay are compared with
// immer's.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { documents, produced, recipes } from '../unit/core/context-recipes.ts';
import { behavior, ways } from './ways.ts';

const all = await ways();

behavior(all, 'random updates give the same result as immer', (way) =>
  fc.assert(
    fc.asyncProperty(documents, fc.array(recipes, { minLength: 4, maxLength: 12 }), async (document, given) => {
      const expected: string[] = [];
      let state = document;
      for (const recipe of given) {
        const next = produced(state, recipe);
        if (next === undefined) expected.push('CONTEXT_PATCH_INVALID');
        state = next ?? state;
        expected.push(JSON.stringify(state));
      }
      const handle = await way.start('followsRecipes', [document, given]);
      assert.deepEqual(await way.result(handle), expected);
      assert.deepEqual((await handle.stateAt()).state, state);
    }),
    { numRuns: 15 },
  ),
);
