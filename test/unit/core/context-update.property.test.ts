// update() against immer. Random recipes insert, move, alias, delete and re-insert values, and call list methods. The
// document, and the recorded operations applied to the earlier document, must both equal immer's result.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContextDocument } from '../../../runtime/core/context/context-patch.ts';
import { foldOps } from '../../support/fold-ops.ts';
import type { Op } from '../../../runtime/core/json/operation.ts';
import { copyJson, type Json } from '../../../runtime/core/json/json.ts';
import { follow } from '../../support/fixtures/recipes.ts';
import { documents, produced, recipes } from './context-recipes.ts';

test("random updates give immer's result, live and from the operations, and rejected updates change nothing", () => {
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
