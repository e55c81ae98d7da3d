// W1 with a context, and W1 with a context that a zod schema checks: in a bundle of their own, because what a module does
// at its top is done again for every run.
import { defineContext, proxyActivities } from 'reprise/workflow';
import { z } from 'zod';
import type * as activities from './activities.ts';

const { echo } = proxyActivities<typeof activities>({ startToCloseTimeout: '1 minute' });

const Order = z.object({
  id: z.string().min(1),
  state: z.enum(['new', 'paid', 'shipped']),
  cents: z.number().int().nonnegative(),
  lines: z.array(z.object({ sku: z.string(), count: z.number().int().positive() })),
  note: z.string().nullable(),
});
const initial: z.infer<typeof Order> = {
  id: 'A-17',
  state: 'new',
  cents: 4200,
  lines: [{ sku: 'book', count: 2 }],
  note: null,
};
const unchecked = defineContext(initial);
const checked = defineContext(initial, { schema: Order });

export async function withContext(payload: unknown): Promise<unknown> {
  const result = await echo(payload);
  unchecked.patch({ op: 'replace', path: '/state', value: 'paid' });
  return result;
}

export async function withSchema(payload: unknown): Promise<unknown> {
  const result = await echo(payload);
  checked.patch({ op: 'replace', path: '/state', value: 'paid' });
  return result;
}
