// Queries that a client does not want answered: behavior 24 of spec/sdk.md.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Client, QueryRejectCondition, QueryRejectedError } from 'reprise/client';
import { testEngine } from '../support/engine.ts';

const engine = await testEngine();

async function cart(ending: 'open' | 'completed' | 'terminated'): Promise<string> {
  const handle = await engine.start('cart');
  if (ending === 'completed') await handle.signal('finish');
  if (ending === 'terminated') await handle.terminate();
  if (ending !== 'open') await handle.result().catch(() => undefined);
  return handle.workflowId;
}

const answered: Record<QueryRejectCondition, Record<Parameters<typeof cart>[0], boolean>> = {
  NONE: { open: true, completed: true, terminated: true },
  NOT_OPEN: { open: true, completed: false, terminated: false },
  NOT_COMPLETED_CLEANLY: { open: true, completed: true, terminated: false },
};

const { NONE, NOT_OPEN, QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY: older } = QueryRejectCondition;

for (const condition of [NONE, NOT_OPEN, older]) {
  it(`queryRejectCondition ${condition} answers what it should`, async () => {
    const { connection } = engine;
    const client = new Client({ connection, workflow: { queryRejectCondition: condition } });
    for (const [ending, isAnswered] of Object.entries(answered[condition])) {
      const handle = client.workflow.getHandle(await cart(ending as Parameters<typeof cart>[0]));
      if (isAnswered) assert.deepEqual(await handle.query('items'), []);
      else {
        await assert.rejects(handle.query('items'), (error) => {
          assert.ok(error instanceof QueryRejectedError);
          assert.equal(error.status.name, ending.toUpperCase());
          return true;
        });
      }
    }
  });
}

it('a condition that there is not is refused', () => {
  const { connection } = engine;
  const make = (workflow: object) => () => new Client({ connection, workflow });
  assert.throws(make({ queryRejectCondition: 'OPEN' }), { code: 'INVALID_INPUT' });
  assert.throws(make({ queryRejectConditions: 'NONE' }), { code: 'INVALID_INPUT' });
});
