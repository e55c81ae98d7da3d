// W1 with a context, and W1 with a context that a zod schema checks. Either the worker preloads the schema's file, or
// the file is part of the bundle and every run evaluates it again.
import { defineContext, proxyActivities } from 'reprise/workflow';
import type { z } from 'zod';
import type * as activities from './activities.ts';
import { Order } from './context-schemas.ts';

const { echo } = proxyActivities<typeof activities>({ startToCloseTimeout: '1 minute' });

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
