// The context as workflow code uses it: a typed JSON document of the run, read as an object and written by patches.
import type { DeepReadonly, Mutable } from '../../core/context/context-patch.ts';
import type { InputOp } from '../../core/context/context-input.ts';
import type { FaultOf, FitsDocument } from '../../core/context/document-path.ts';
import type { Provenance } from '../../core/context/provenance.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { aFunction, checkOptions, optionTable, unchecked, wholeNumber } from '../../core/options/option-table.ts';
import type { Json } from '../../core/json/json.ts';
import { currentRun } from '../run/current-run.ts';
import type { ContextDefinition, Migrate } from './context-migration.ts';
import type { ContextSchema } from './context-schema.ts';

/**
 * `T` where JSON can hold it, `never` where it cannot: functions, bigint, symbol, Date, Map … do not compile. An
 * optional member may have the type `undefined`, as with zod's `optional()`, but the value undefined is rejected.
 */
export type JsonCompatible<T> = T extends string | number | boolean | null
  ? T
  : T extends ((...args: never[]) => unknown) | bigint | symbol | undefined
    ? never
    : T extends object
      ? { [K in keyof T]: JsonCompatible<T[K]> | (object extends Pick<T, K> ? undefined : never) }
      : never;

/** An operation whose value may have any type that JSON can hold, interfaces included. */
type AnyOp =
  | {
      readonly op: 'add' | 'replace' | 'test' | 'set' | 'merge' | 'append';
      readonly path: string;
      readonly value: unknown;
      readonly confidence?: number;
    }
  | Exclude<InputOp, { readonly value: unknown }>;
/** In error messages of the compiler: JSON cannot hold the value. */
interface NotJson<Value> {
  readonly notJson: Value;
}
type Storable<O> = O extends { readonly value: infer V } ? { readonly value: JsonCompatible<V> } : unknown;
type Unstorable<O> = O extends { readonly value: infer V }
  ? V extends Json
    ? never
    : V extends JsonCompatible<V>
      ? never
      : NotJson<V>
  : never;

/** The faults of a list's operations; `unknown` when there are none. */
type FitsEach<T, O> = [FaultOf<T, O> | Unstorable<O>] extends [never] ? unknown : FaultOf<T, O> | Unstorable<O>;
type Fits<T, Ops> = Ops extends readonly (infer O)[] ? FitsEach<T, O> : FitsDocument<T, Ops> & Storable<Ops>;

export interface WorkflowContext<T> {
  /** Read-only and live: shows later patches too. */
  readonly state: DeepReadonly<T>;
  /**
   * Applies all operations as one event, or none. Accepts RFC 6902 operations and the verbs `set`, `delete`, `merge`
   * and `append`. A path that the document's type does not have, or a value of another type, does not compile; dynamic
   * keys, as in `/fixes/${id}`, do.
   * @throws CONTEXT_PATCH_INVALID with the pointer; READ_ONLY in a query; INVALID_INPUT for an invalid provenance
   */
  patch<const Ops extends AnyOp | readonly AnyOp[]>(ops: Ops & Fits<T, Ops>, provenance?: Provenance): void;
  /**
   * `change` edits a draft, as with immer's `produce`. After it returns, its changes are logged as operations and
   * `state` shows them. Inserted values are recorded in their final state. If `change` throws, nothing changes. Instead
   * of editing the draft, `change` may return a new document. Doing both is an error. A return value of `undefined` has
   * no effect.
   * @throws CONTEXT_PATCH_INVALID with the pointer of a value that JSON cannot hold, or when `change` returns a promise
   */
  update(change: (draft: Mutable<T>) => Mutable<T> | undefined | void, provenance?: Provenance): void;
  /**
   * Records how far the run has come, from 0 to 1, and at which step, for people and checkpoints.
   * @throws INVALID_INPUT; READ_ONLY in a query
   */
  progress(progress: number, step?: string): void;
  /**
   * Names the present state of the document. Names are unique in a run.
   * @throws INVALID_INPUT for a name that the run has used; READ_ONLY in a query
   */
  checkpoint(name: string): void;
}

export interface ContextOptions<T extends object = object> {
  /** Checked at every write. */
  readonly schema?: ContextSchema;
  /** Version of the document's shape; default 1. Raise it together with `migrate`. */
  readonly version?: number;
  /**
   * Makes a document of an earlier version into one of this version. Called at most once for a run and version, before
   * the first new turn of an open run whose document is older; the change is logged as a patch. `document` is a copy.
   */
  readonly migrate?: Migrate<T>;
}

const contextOptions = optionTable<ContextOptions>(
  { ...unchecked('schema'), version: wholeNumber(1), migrate: aFunction },
  {},
  'defineContext: ',
);

/**
 * Call at module level. Only defines the context. The first use inside a run attaches the context and logs the initial
 * document. A run has one context.
 * @throws CONTEXT_ALREADY_DEFINED at the first use of a second context; INVALID_INPUT
 */
export function defineContext<T extends object>(
  initial: T & JsonCompatible<T>,
  options: ContextOptions<T> = {},
): WorkflowContext<T> {
  checkOptions('defineContext', options, contextOptions);
  const { schema, version = 1, migrate } = options;
  if (version > 1 && migrate === undefined) {
    throw new RuntimeError(
      'INVALID_INPUT',
      `defineContext: version is ${version}, but migrate is missing. Open runs may hold documents of earlier versions: ` +
        'pass migrate: (document, from) => document of this version.',
    );
  }
  const definition: ContextDefinition = { initial, schema, version, migrate };
  return {
    get state(): DeepReadonly<T> {
      return currentRun('defineContext().state').context.state(definition) as DeepReadonly<T>;
    },
    patch(ops: unknown, provenance?: Provenance): void {
      const given = ops as InputOp | readonly InputOp[]; // checked when applied, since types do not protect
      currentRun('defineContext().patch').context.patch(definition, given, provenance);
    },
    update(change, provenance): void {
      const edit = change as (draft: unknown) => unknown;
      currentRun('defineContext().update').context.update(definition, edit, provenance);
    },
    progress(progress, step): void {
      currentRun('defineContext().progress').context.progress(definition, progress, step);
    },
    checkpoint(name): void {
      currentRun('defineContext().checkpoint').context.checkpoint(definition, name);
    },
  };
}
