// update() against immer: random recipes insert, move, alias, delete and re-insert, and call the methods of lists. What
// becomes of the document, and what the recorded operations make of the document before, is what immer produces.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContextDocument, foldOps } from '../../../runtime/core/context/context-patch.ts';
import type { Op } from '../../../runtime/core/json/operation.ts';
import { copyJson, type Json } from '../../../runtime/core/json/json.ts';
import { follow } from '../../support/fixtures/recipes.ts';
import { documents, produced, recipes } from './context-recipes.ts';

test('random updates give what immer gives, live and from the operations; what is refused changes nothing', () => {
  let applied = 0;
  fc.assert(
    fc.property(documents, fc.array(recipes, { minLength: 1, maxLength: 3 }), (initial, all) => {
      let before: Json = copyJson(initial);
      const context = new ContextDocument(before);
      for (const recipe of all) {
        const expected: Json | undefined = produced(before, recipe);
        if (expected === undefined) {
          assert.throws(() => context.record((draft) => follow(recipe, draft)), { name: 'RuntimeError' });
          assert.equal(JSON.stringify(context.state), JSON.stringify(before));
          continue;
        }
        const ops = context.record((draft) => follow(recipe, draft));
        applied += 1;
        assert.equal(JSON.stringify(context.state), JSON.stringify(expected));
        const logged = JSON.parse(JSON.stringify(ops)) as Op[];
        assert.equal(JSON.stringify(foldOps(before, logged)), JSON.stringify(expected));
        before = context.snapshot();
      }
    }),
    { numRuns: 1500 },
  );
  assert(applied > 1500, `only ${applied} updates were applied`);
});
