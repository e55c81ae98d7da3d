// The types that the compiler accepts in a context. Nothing runs.
import { it } from 'node:test';
import { defineContext } from 'reprise/workflow';
import { z } from 'zod';

interface Fix {
  was: string;
  is: string | null;
}
const Noted = z.object({ note: z.string().optional(), inner: z.object({ n: z.number().optional() }).optional() });
const context = defineContext<{ fixes: Record<string, Fix> }>({ fixes: {} });

/** Compiled, never called. */
function accepted(fix: Fix, optional: { note?: string }, inferred: z.infer<typeof Noted>): void {
  context.patch({ op: 'add', path: '/fixes/a', value: fix });
  context.patch([
    { op: 'add', path: '/fixes/a', value: fix },
    { op: 'set', path: '/n', value: 1 },
    { op: 'remove', path: '/n' },
    { op: 'move', from: '/a', path: '/b' },
  ]);
  context.patch(['a', 'b'].map((key) => ({ op: 'add' as const, path: `/fixes/${key}`, value: fix })));
  context.patch({ op: 'test', path: '', value: [fix] });
  context.update((draft) => {
    draft.fixes.a = fix;
  });
  context.update((draft) => void (draft.fixes.a = fix));
  context.update(() => ({ fixes: { a: fix } }));
  context.update((draft) => (draft.fixes.a === undefined ? { fixes: {} } : undefined));
  const edit = (draft: { fixes: Record<string, Fix> }): void => void delete draft.fixes.a;
  context.update(edit);
  defineContext(optional);
  defineContext(inferred, { schema: Noted });
}

/** Compiled, never called. */
function refused(): void {
  // @ts-expect-error JSON has no dates
  context.patch({ op: 'add', path: '/a', value: new Date() });
  // @ts-expect-error JSON has no bigints
  context.patch({ op: 'add', path: '/a', value: { n: 1n } });
  // @ts-expect-error a required member cannot be undefined
  defineContext({ note: undefined });
  // @ts-expect-error the value that update() returns is a new document
  context.update((draft) => Object.keys(draft.fixes).length);
  // @ts-expect-error update() is synchronous
  context.update(async (draft) => void delete draft.fixes.a);
  // @ts-expect-error unknown verb
  context.patch({ op: 'replaces', path: '/a', value: 1 });
}

it('a context patch accepts interfaces, and values that JSON cannot hold do not compile', () => {
  void accepted;
  void refused;
});
