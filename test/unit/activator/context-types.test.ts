// The types that the compiler accepts in a context. Nothing runs.
import { it } from 'node:test';
import { defineContext, type WorkflowContext } from 'reprise/workflow';
import type { Op } from '../../../runtime/core/json/operation.ts';
import { z } from 'zod';

interface Fix {
  was: string;
  is: string | null;
}
interface Repair {
  done: number;
  fixes: Record<string, Fix>;
  notes: string[];
  note?: string;
  by?: { name: string; age?: number };
  points: readonly [number, number];
  shape: { kind: 'round'; radius: number } | { kind: 'square'; side: number } | null;
  'a/b~c': boolean;
  byNumber: Record<number, string>;
  anything: unknown;
}
const Noted = z.object({ note: z.string().optional(), inner: z.object({ n: z.number().optional() }).optional() });
declare const repair: WorkflowContext<Repair>;
const context = defineContext<{ fixes: Record<string, Fix> }>({ fixes: {} });

/** Compiled, never called. */
function accepted(fix: Fix, optional: { note?: string }, inferred: z.infer<typeof Noted>): void {
  context.patch({ op: 'add', path: '/fixes/a', value: fix });
  context.patch([
    { op: 'add', path: '/fixes/a', value: fix },
    { op: 'remove', path: '/fixes/a' },
    { op: 'move', from: '/fixes/a', path: '/fixes/b' },
  ]);
  context.patch(['a', 'b'].map((key) => ({ op: 'add' as const, path: `/fixes/${key}`, value: fix })));
  context.patch({ op: 'test', path: '', value: { fixes: { a: fix } } });
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
  defineContext(
    { a: 1, b: '' },
    { version: 2, migrate: (old: { a: number }, from) => ({ a: old.a, b: String(from) }) },
  );
}

/** Compiled, never called. */
function acceptedPaths(fix: Fix, id: string, path: string, operations: readonly Op[]): void {
  repair.patch({ op: 'set', path: '/done', value: 1 });
  repair.patch({ op: 'set', path: '/note', value: 'x' });
  repair.patch({ op: 'add', path: `/fixes/${id}`, value: fix });
  repair.patch({ op: 'replace', path: `/fixes/${id}/was`, value: '1975' });
  repair.patch({ op: 'replace', path: `/fixes/4711/is`, value: null });
  repair.patch({ op: 'append', path: '/notes', value: 'one' });
  repair.patch([
    { op: 'add', path: '/notes/-', value: 'one' },
    { op: 'remove', path: '/notes/0' },
  ]);
  repair.patch({ op: 'replace', path: '/points/1', value: 2 });
  repair.patch({ op: 'set', path: '/by/name', value: 'Ada' });
  repair.patch({ op: 'merge', path: '/by', value: { age: null } });
  repair.patch({ op: 'merge', path: '', value: { done: 2, note: null, by: { name: 'Ada' } } });
  repair.patch({ op: 'set', path: '/shape', value: { kind: 'round', radius: 1 } });
  repair.patch({ op: 'set', path: '/shape/side', value: 2 });
  repair.patch({ op: 'replace', path: '/a~1b~0c', value: true });
  repair.patch({ op: 'set', path: '/byNumber/7', value: 'seven' });
  repair.patch({ op: 'set', path: '/anything/at/all', value: { n: [1] } });
  repair.patch({ op: 'copy', from: '/note', path: '/notes/0' });
  repair.patch({ op: 'set', path, value: 1 });
  repair.patch({ op: 'set', path: `/${path}`, value: 1 });
  repair.patch(operations);
  repair.patch({ op: 'set', path: '/done', value: 1 }, { source: 'user', reason: 'Ada counted again' });
  repair.patch({ op: 'set', path: '/done', value: 1 }, { source: 'tool', confidence: 0.5 });
}

/** Compiled, never called. */
function refusedPaths(id: string, either: string | number): void {
  // @ts-expect-error no such member
  repair.patch({ op: 'set', path: '/dome', value: 1 });
  // @ts-expect-error no such member
  repair.patch({ op: 'remove', path: '/dome' });
  // @ts-expect-error no such member
  repair.patch([
    { op: 'set', path: '/done', value: 1 },
    { op: 'remove', path: '/dome' },
  ]);
  // @ts-expect-error a pointer begins with a slash
  repair.patch({ op: 'remove', path: 'done' });
  // @ts-expect-error a number
  repair.patch({ op: 'set', path: '/done', value: '1' });
  // @ts-expect-error a number
  repair.patch([
    { op: 'set', path: '/note', value: 'x' },
    { op: 'set', path: '/done', value: '1' },
  ]);
  // @ts-expect-error a number, and not a text either
  repair.patch({ op: 'set', path: '/done', value: either });
  // @ts-expect-error a number, and not a text either
  repair.patch([{ op: 'set', path: '/done', value: either }]);
  // @ts-expect-error a Fix
  repair.patch({ op: 'add', path: `/fixes/${id}`, value: 'x' });
  // @ts-expect-error a Fix has no such member
  repair.patch({ op: 'set', path: '/fixes/4711/were', value: '' });
  // @ts-expect-error a text
  repair.patch({ op: 'set', path: '/fixes/4711/was', value: 1 });
  // @ts-expect-error a text
  repair.patch({ op: 'append', path: '/notes', value: 1 });
  // @ts-expect-error not a list
  repair.patch({ op: 'append', path: '/done', value: 1 });
  // @ts-expect-error a list has no such member
  repair.patch({ op: 'set', path: '/notes/first', value: '' });
  // @ts-expect-error a number has no members
  repair.patch({ op: 'set', path: '/done/x', value: 1 });
  // @ts-expect-error no such member to move
  repair.patch({ op: 'move', from: '/nowhere', path: '/note' });
  // @ts-expect-error a merge of another type
  repair.patch({ op: 'merge', path: '/by', value: { age: 'old' } });
  // @ts-expect-error a patch of a person needs a reason
  repair.patch({ op: 'set', path: '/done', value: 1 }, { source: 'user' });
  // @ts-expect-error a sixth source
  repair.patch({ op: 'set', path: '/done', value: 1 }, { source: 'me', reason: 'x' });
  // @ts-expect-error not a document of this version
  defineContext({ a: 1 }, { version: 2, migrate: () => ({ b: 1 }) });
}

/** Compiled, never called. */
function refused(path: string): void {
  // @ts-expect-error JSON has no dates
  context.patch({ op: 'add', path, value: new Date() });
  // @ts-expect-error JSON has no bigints
  context.patch({ op: 'add', path, value: { n: 1n } });
  // @ts-expect-error JSON has no dates
  context.patch([{ op: 'add', path, value: new Date() }]);
  // @ts-expect-error a required member cannot be undefined
  defineContext({ note: undefined });
  // @ts-expect-error the value that update() returns is a new document
  context.update((draft) => Object.keys(draft.fixes).length);
  // @ts-expect-error update() is synchronous
  context.update(async (draft) => void delete draft.fixes.a);
  // @ts-expect-error unknown verb
  context.patch({ op: 'replaces', path: '/fixes/a', value: 1 });
}

it('the compiler accepts interfaces and paths of the document, and refuses other paths, values and provenances', () => {
  void [accepted, acceptedPaths, refusedPaths, refused];
});
