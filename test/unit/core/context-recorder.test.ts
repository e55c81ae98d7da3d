// update(): what a draft records, what it rejects, and that it behaves like the object it represents.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ContextDocument, type Mutable } from '../../../runtime/core/context/context-patch.ts';
import { foldOps } from '../../support/fold-ops.ts';
import type { Op } from '../../../runtime/core/json/operation.ts';
import { isStorableText, type Json } from '../../../runtime/core/json/json.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';

// biome-ignore format: one line
interface Item { id: number; tags?: string[]; next?: Item }
// biome-ignore format: one line
interface Doc { n: number; title?: string | null; list: Item[]; words: string[]; map: Record<string, Item | number> }

const start: Doc = {
  n: 1,
  list: [{ id: 1, tags: ['a'] }, { id: 2 }, { id: 3 }],
  words: ['c', 'a', 'b'],
  map: { x: { id: 9 }, 'y/z': 5 },
};

function recorded(fn: (draft: Mutable<Doc>) => unknown): { readonly ops: Op[]; readonly document: Doc } {
  const context = new ContextDocument<Doc>(start);
  const ops = context.record(fn);
  const document = context.snapshot() as unknown as Doc;
  assert.deepEqual(foldOps(start as unknown as Json, ops), document);
  // The same code on a plain object gives the same document.
  const plain = structuredClone(start);
  fn(plain);
  assert.deepEqual(document, plain);
  return { ops, document };
}

function refused(fn: (draft: Mutable<Doc>) => unknown, code: string, message: RegExp): void {
  const context = new ContextDocument<Doc>(start);
  assert.throws(
    () => context.record(fn),
    (error: unknown) => {
      assert(error instanceof RuntimeError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    },
  );
  assert.deepEqual(context.snapshot(), start);
}

suite('recorded operations', () => {
  test('assignment replaces or adds, with the old value', () => {
    const { ops } = recorded((draft) => {
      draft.n += 1;
      draft.title = null;
      draft.map['y/z'] = { id: 6 };
    });
    assert.deepEqual(ops, [
      { op: 'replace', path: '/n', value: 2, prev: 1 },
      { op: 'add', path: '/title', value: null },
      { op: 'replace', path: '/map/y~1z', value: { id: 6 }, prev: 5 },
    ]);
  });

  test('delete removes a member, and of an absent one records nothing', () => {
    const { ops } = recorded((draft) => {
      delete draft.map.x;
      delete draft.map.absent;
      delete draft.title;
    });
    assert.deepEqual(ops, [{ op: 'remove', path: '/map/x', prev: { id: 9 } }]);
  });

  test('writing the existing value records nothing', () => {
    const { ops } = recorded((draft) => {
      draft.n = 1;
      draft.list = draft.list;
      draft.list[0] = draft.list[0] as Item;
      draft.words[1] = 'a';
      Object.assign(draft, { ...draft });
    });
    assert.deepEqual(ops, []);
  });

  test('push appends', () => {
    const { ops } = recorded((draft) => assert.equal(draft.words.push('d', 'e'), 5));
    assert.deepEqual(ops, [
      { op: 'add', path: '/words/-', value: 'd' },
      { op: 'add', path: '/words/-', value: 'e' },
    ]);
  });

  test('pop, shift and unshift touch one item each', () => {
    assert.deepEqual(recorded((draft) => void assert.equal(draft.words.pop(), 'b')).ops, [
      { op: 'remove', path: '/words/2', prev: 'b' },
    ]);
    assert.deepEqual(recorded((draft) => void assert.equal(draft.words.shift(), 'c')).ops, [
      { op: 'remove', path: '/words/0', prev: 'c' },
    ]);
    assert.deepEqual(recorded((draft) => void assert.equal(draft.words.unshift('x', 'y'), 5)).ops, [
      { op: 'add', path: '/words/0', value: 'x' },
      { op: 'add', path: '/words/1', value: 'y' },
    ]);
  });

  test('a place that several methods change is recorded once', () => {
    const { ops } = recorded((draft) => {
      assert.equal(draft.words.pop(), 'b');
      assert.equal(draft.words.shift(), 'c');
      assert.equal(draft.words.unshift('x', 'y'), 3);
    });
    assert.deepEqual(ops, [
      { op: 'replace', path: '/words/0', value: 'x', prev: 'c' },
      { op: 'add', path: '/words/1', value: 'y' },
      { op: 'remove', path: '/words/3', prev: 'b' },
    ]);
  });

  test('splice pairs old and new items, then removes or adds', () => {
    assert.deepEqual(recorded((draft) => void draft.words.splice(0, 2, 'z')).ops, [
      { op: 'remove', path: '/words/1', prev: 'a' },
      { op: 'replace', path: '/words/0', value: 'z', prev: 'c' },
    ]);
    assert.deepEqual(recorded((draft) => void draft.words.splice(-1, 1, 'y', 'z')).ops, [
      { op: 'replace', path: '/words/2', value: 'y', prev: 'b' },
      { op: 'add', path: '/words/-', value: 'z' },
    ]);
  });

  test('an assignment at the end adds an item, a shorter length removes it, and both together record nothing', () => {
    assert.deepEqual(recorded((draft) => void (draft.words[3] = 'd')).ops, [
      { op: 'add', path: '/words/-', value: 'd' },
    ]);
    assert.deepEqual(recorded((draft) => void (draft.words.length = 2)).ops, [
      { op: 'remove', path: '/words/2', prev: 'b' },
    ]);
    const { ops } = recorded((draft) => {
      draft.words[3] = 'd';
      draft.words.length = 3;
      draft.words.length = 3;
    });
    assert.deepEqual(ops, []);
  });

  test('sorting a nearly sorted list replaces only the moved items', () => {
    const context = new ContextDocument<number[]>([0, 1, 2, 3, 4, 6, 5, 7]);
    assert.deepEqual(
      context.record((draft) => void draft.sort()),
      [
        { op: 'replace', path: '/5', value: 5, prev: 6 },
        { op: 'replace', path: '/6', value: 6, prev: 5 },
      ],
    );
  });

  test('an inserted object is recorded in its state at the end of the update', () => {
    interface Loose {
      m: Record<string, Record<string, number>>;
      arr: { n: number }[];
      moved?: unknown;
    }
    const update = (change: (draft: Mutable<Loose>) => void): Op[] =>
      new ContextDocument<Loose>({ m: { k: { e: 0 } }, arr: [] }).record(change);
    assert.deepEqual(
      update((draft) => {
        (draft.m.new ??= {}).f = 1;
      }),
      [{ op: 'add', path: '/m/new', value: { f: 1 } }],
    );
    assert.deepEqual(
      update((draft) => {
        const item = { n: 1 };
        draft.arr.push(item);
        item.n = 9;
      }),
      [{ op: 'add', path: '/arr/-', value: { n: 9 } }],
    );
    assert.deepEqual(
      update((draft) => {
        const moving = draft.m.k!;
        draft.moved = moving;
        delete draft.m.k;
        moving.g = 2;
      }),
      [
        { op: 'add', path: '/moved', value: { e: 0, g: 2 } },
        { op: 'remove', path: '/m/k', prev: { e: 0 } },
      ],
    );
  });

  test('a reverted change records nothing', () => {
    const { ops } = recorded((draft) => {
      const { map } = draft;
      draft.n = 2;
      draft.n = 1;
      draft.title = 'x';
      delete draft.title;
      draft.map = {};
      draft.map = map;
      draft.words.push('d');
      draft.words.pop();
    });
    assert.deepEqual(ops, []);
  });

  test('paths refer to the document after the earlier operations', () => {
    const { ops } = recorded((draft) => {
      draft.list.shift();
      draft.list[1]!.id = 30;
      draft.list.unshift({ id: 0 }, { id: 0 });
    });
    assert.deepEqual(ops, [
      { op: 'replace', path: '/list/0', value: { id: 0 }, prev: { id: 1, tags: ['a'] } },
      { op: 'add', path: '/list/1', value: { id: 0 } },
      { op: 'replace', path: '/list/3/id', value: 30, prev: 3 },
    ]);
  });

  test('sort and reverse record one replace of the list, or nothing', () => {
    const { ops } = recorded((draft) => {
      assert.equal(draft.words.sort(), draft.words);
      draft.words.sort();
      draft.list.sort((left, right) => right.id - left.id);
    });
    assert.deepEqual(ops, [
      { op: 'replace', path: '/words', value: ['a', 'b', 'c'], prev: ['c', 'a', 'b'] },
      {
        op: 'replace',
        path: '/list',
        value: [{ id: 3 }, { id: 2 }, { id: 1, tags: ['a'] }],
        prev: [{ id: 1, tags: ['a'] }, { id: 2 }, { id: 3 }],
      },
    ]);
  });

  test('an item keeps its identity when its list moves', () => {
    const { document } = recorded((draft) => {
      const [first] = draft.list as [Item, ...Item[]];
      draft.list.unshift({ id: 0 });
      first.id = 10;
      draft.list.reverse();
      first.tags?.push('b');
      draft.list.splice(0, 1);
      first.next = { id: 11 };
      first.next.id = 12;
    });
    assert.deepEqual(document.list, [{ id: 2 }, { id: 10, tags: ['a', 'b'], next: { id: 12 } }, { id: 0 }]);
  });

  test('a removed item can be changed and put back, and only then its change is recorded', () => {
    const { ops } = recorded((draft) => {
      const taken = draft.list.pop() as Item;
      taken.id = 30;
      taken.tags = ['t'];
      draft.list.unshift(taken);
    });
    assert.deepEqual(ops, [
      { op: 'add', path: '/list/0', value: { id: 30, tags: ['t'] } },
      { op: 'remove', path: '/list/3', prev: { id: 3 } },
    ]);
  });

  test('list methods without a recorder of their own work too', () => {
    recorded((draft) => {
      draft.words.fill('z', 1);
      draft.words.copyWithin(0, 2);
      draft.words = draft.words.map((word) => `${word}!`).concat('end');
      [draft.list[0], draft.list[1]] = [draft.list[1] as Item, draft.list[0] as Item];
      draft.list = draft.list.filter(({ id }) => id !== 3);
      draft.map = Object.fromEntries(Object.entries(draft.map).toReversed());
    });
  });

  test('the draft shows its writes at once, and the document after the update has ended', () => {
    const context = new ContextDocument<Doc>(start);
    context.record((draft) => {
      draft.n = 5;
      draft.words.push('d');
      assert.equal(draft.n, 5);
      assert.equal(draft.words.at(-1), 'd');
      assert.equal(JSON.stringify(draft.words), '["c","a","b","d"]');
      assert.equal(context.state.n, 1);
    });
    assert.equal(context.state.n, 5);
  });

  test('inserted values are copied when the update ends', () => {
    const item: Item = { id: 7, tags: [] };
    const context = new ContextDocument<Doc>(start);
    const ops = context.record((draft) => {
      draft.map.a = item;
      item.id = 8;
      draft.map.b = draft.map.a;
      draft.map.a.tags?.push('both');
    });
    item.tags?.push('neither');
    assert.deepEqual(context.state.map.a, { id: 8, tags: ['both'] });
    assert.deepEqual(context.state.map.b, { id: 8, tags: ['both'] });
    assert.deepEqual(ops[0], { op: 'add', path: '/map/a', value: { id: 8, tags: ['both'] } });
    context.record((draft) => void (draft.map.a as Item).tags?.push('only a'));
    assert.deepEqual(context.state.map.b, { id: 8, tags: ['both'] });
  });

  test('the value that the function returns replaces the document', () => {
    const next: Doc = { n: 2, list: [], words: [], map: {} };
    const context = new ContextDocument<Doc>(start);
    assert.deepEqual(
      context.record(() => next),
      [{ op: 'replace', path: '', value: next, prev: start }],
    );
    assert.deepEqual(context.snapshot(), next);
    const taken = new ContextDocument<Doc>(start);
    taken.record((draft) => draft.map.x);
    assert.deepEqual(taken.snapshot(), { id: 9 });
    assert.deepEqual(
      taken.record((draft) => draft),
      [],
    );
  });

  test('the draft can be a list', () => {
    const context = new ContextDocument<number[]>([3, 1]);
    const ops = context.record((draft) => void draft.sort((left, right) => left - right));
    assert.deepEqual(ops, [{ op: 'replace', path: '', value: [1, 3], prev: [3, 1] }]);
    context.record((draft) => void draft.push(4));
    assert.deepEqual(context.snapshot(), [1, 3, 4]);
  });
});

suite('refusals', () => {
  test('an error in the function undoes every write', () => {
    const context = new ContextDocument<Doc>(start);
    const failure = new Error('mine');
    const update = (draft: Mutable<Doc>) => {
      draft.list.reverse();
      (draft.list.shift() as Item).id = 77;
      draft.list.splice(0, 2, { id: 5 });
      delete draft.map.x;
      draft.map.new = { id: 1 };
      draft.words.length = 0;
      draft.n = 0;
      throw failure;
    };
    assert.throws(() => context.record(update), failure);
    assert.deepEqual(context.snapshot(), start);
  });

  test('a caught write error keeps the other writes', () => {
    const context = new ContextDocument<Doc>(start);
    const ops = context.record((draft) => {
      draft.n = 2;
      assert.throws(() => Object.assign(draft, { [Symbol('s')]: 1 }), { code: 'CONTEXT_PATCH_INVALID' });
      assert.throws(() => Object.assign(draft.words, { name: 1 }), { message: /The write was not applied/ });
    });
    assert.deepEqual(ops, [{ op: 'replace', path: '/n', value: 2, prev: 1 }]);
    assert.deepEqual(context.snapshot(), { ...start, n: 2 });
  });

  test('a value that JSON cannot hold is rejected when the update ends, if it is still in the document', () => {
    refused(
      (draft) => void draft.words.push('fine', '\0'),
      'CONTEXT_PATCH_INVALID',
      /NUL or a lone surrogate at "\/words\/4".*The update was not applied/,
    );
    refused((draft) => void Object.assign(draft, { title: 5n }), 'CONTEXT_PATCH_INVALID', /the bigint 5 at "\/title"/);
    refused((draft) => void (draft.list[0]!.next = draft.list[0]!), 'CONTEXT_PATCH_INVALID', /a cycle or deep nesting/);
    const { ops } = recorded((draft) => {
      draft.words.push('\0');
      draft.words.pop();
    });
    assert.deepEqual(ops, []);
  });

  test('a returned document must be an object or a list, and excludes changes to the draft', () => {
    refused((draft) => draft.words.push('d'), 'CONTEXT_PATCH_INVALID', /both changed its draft and returned a value/);
    refused(() => 5, 'CONTEXT_PATCH_INVALID', /found 5 at the whole document, expected an object or a list/);
    refused(() => null, 'CONTEXT_PATCH_INVALID', /found null at the whole document/);
    refused(() => ({ at: new Date(0) }), 'CONTEXT_PATCH_INVALID', /an instance of Date at "\/at"/);
  });

  test('lists cannot have holes or named members at the end', () => {
    refused((draft) => void delete draft.words[1], 'CONTEXT_PATCH_INVALID', /found undefined at "\/words\/1"/);
    refused((draft) => void (draft.words[5] = 'x'), 'CONTEXT_PATCH_INVALID', /found undefined at "\/words\/3"/);
    refused((draft) => void (draft.words.length = 4), 'CONTEXT_PATCH_INVALID', /found undefined at "\/words\/3"/);
    refused((draft) => void (draft.words[1e9] = 'x'), 'CONTEXT_PATCH_INVALID', /the length 1000000000 for a list of 3/);
    refused((draft) => void (draft.words.length = -1), 'CONTEXT_PATCH_INVALID', /the length -1 for a list of 3/);
    refused(
      (draft) => void Object.assign(draft.words, { name: 1 }),
      'CONTEXT_PATCH_INVALID',
      /the key "name" for a list of 3 at "\/words"/,
    );
    refused((draft) => void Object.assign(draft, { [Symbol('s')]: 1 }), 'CONTEXT_PATCH_INVALID', /the key Symbol\(s\)/);
    recorded((draft) => {
      draft.words.length = 5;
      draft.words.fill('x', 3);
    });
  });

  test('a draft rejects freezing, property definitions and a new prototype', () => {
    refused((draft) => Object.freeze(draft.map), 'CONTEXT_PATCH_INVALID', /a freeze at "\/map"/);
    refused(
      (draft) => Object.defineProperty(draft, 'n', { get: () => 1 }),
      'CONTEXT_PATCH_INVALID',
      /a property definition/,
    );
    refused((draft) => Object.setPrototypeOf(draft, null), 'CONTEXT_PATCH_INVALID', /a new prototype/);
  });

  test('a function that returns a promise is rejected, and so are its later writes', async () => {
    const context = new ContextDocument<Doc>(start);
    let late: unknown;
    const update = async (draft: Mutable<Doc>) => {
      draft.n = 2;
      await Promise.resolve();
      try {
        draft.n = 3;
      } catch (error) {
        late = error;
        throw error;
      }
    };
    assert.throws(() => context.record(update), { code: 'CONTEXT_PATCH_INVALID', message: /returned a promise/ });
    await new Promise(setImmediate);
    assert.equal((late as RuntimeError).code, 'READ_ONLY');
    assert.deepEqual(context.snapshot(), start);
  });

  test('a draft is read-only after its update', () => {
    const context = new ContextDocument<Doc>(start);
    const escaped: Item[] = [];
    context.record((draft) => void escaped.push(draft.list.pop() as Item, draft.list[0] as Item));
    const [taken, first] = escaped as [Item, Item];
    assert.deepEqual([taken.id, first.tags?.[0]], [3, 'a']);
    assert.throws(() => (taken.id = 1), { code: 'READ_ONLY' });
    assert.throws(() => first.tags?.push('b'), { code: 'READ_ONLY' });
    context.apply([{ op: 'add', path: '/map/taken', value: taken as unknown as Json }]);
    assert.deepEqual(context.state.map.taken, { id: 3 });
  });

  test('patches and updates do not nest', () => {
    const context = new ContextDocument<Doc>(start);
    const nested = { code: 'ILLEGAL_STATE' };
    context.record((draft) => {
      draft.n = 2;
      assert.throws(() => context.apply([{ op: 'remove', path: '/n' }]), nested);
      assert.throws(() => context.record(() => undefined), nested);
    });
    assert.equal(context.state.n, 2);
  });

  test('a comparison function may write, as on a plain list', () => {
    recorded((draft) => {
      draft.list.sort((left, right) => (left.id = -left.id) - right.id);
    });
  });
});

test('isJsonbText accepts exactly the text that Postgres can store', () => {
  for (const text of ['', 'é', '\u{1f600}', '\u0001', '\uffff']) assert(isStorableText(text));
  for (const text of ['\0', 'a\0b', '\ud800', '\udc00\ud800']) assert(!isStorableText(text));
});
