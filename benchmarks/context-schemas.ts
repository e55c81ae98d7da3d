// The schema of the contexts in context-workflows.ts, in a file that its worker preloads.
import { z } from 'zod';

export const Order = z.object({
  id: z.string().min(1),
  state: z.enum(['new', 'paid', 'shipped']),
  cents: z.number().int().nonnegative(),
  lines: z.array(z.object({ sku: z.string(), count: z.number().int().positive() })),
  note: z.string().nullable(),
});
