// The schema of the contexts in context-workflows.ts. A separate file, so that a worker can preload the schema.
import { z } from 'zod';

export const Order = z.object({
  id: z.string().min(1),
  state: z.enum(['new', 'paid', 'shipped']),
  cents: z.number().int().nonnegative(),
  lines: z.array(z.object({ sku: z.string(), count: z.number().int().positive() })),
  note: z.string().nullable(),
});
