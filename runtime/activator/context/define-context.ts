// The context as workflow code uses it: a typed JSON document of the run, read as an object and written by patches.
import type { DeepReadonly, Mutable } from '../../core/context/context-patch.ts';
import type { InputOp } from '../../core/context/context-input.ts';
import { currentRun } from '../run/current-run.ts';
import type { ContextDefinition, ContextSchema, Provenance } from './run-context.ts';

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
type Storable<O> = O extends { readonly value: infer V } ? { readonly value: JsonCompatible<V> } : unknown;

export interface WorkflowContext<T> {
  /** Read-only and live: shows later patches too. */
  readonly state: DeepReadonly<T>;
  /**
   * Applies all operations as one event, or none. Accepts RFC 6902 operations and the verbs `set`, `delete`, `merge`
   * and `append`.
   * @throws CONTEXT_PATCH_INVALID with the pointer; READ_ONLY in a query; INVALID_INPUT for an invalid provenance
   */
  patch<O extends AnyOp>(ops: (O & Storable<O>) | readonly (O & Storable<O>)[], provenance?: Provenance): void;
  /**
   * `change` edits a draft, as with immer's `produce`. After it returns, its changes are logged as operations and
   * `state` shows them. Inserted values are recorded in their final state. If `change` throws, nothing changes. Instead
   * of editing the draft, `change` may return a new document. Doing both is an error. A return value of `undefined` has
   * no effect.
   * @throws CONTEXT_PATCH_INVALID with the pointer of a value that JSON cannot hold, or when `change` returns a promise
   */
  update(change: (draft: Mutable<T>) => Mutable<T> | undefined | void, provenance?: Provenance): void;
}

export interface ContextOptions {
  /** Checked at every write. */
  readonly schema?: ContextSchema;
}

/**
 * Call at module level. Only defines the context. The first use inside a run attaches the context and logs the initial
 * document. A run has one context.
 * @throws CONTEXT_ALREADY_DEFINED at the first use of a second context
 */
export function defineContext<T extends object>(
  initial: T & JsonCompatible<T>,
  options: ContextOptions = {},
): WorkflowContext<T> {
  const definition: ContextDefinition = { initial, schema: options.schema };
  return {
    get state(): DeepReadonly<T> {
      return currentRun('defineContext().state').context.state(definition) as DeepReadonly<T>;
    },
    patch(ops, provenance): void {
      const given = ops as InputOp | readonly InputOp[]; // checked when applied, since types alone do not protect
      currentRun('defineContext().patch').context.patch(definition, given, provenance);
    },
    update(change, provenance): void {
      const edit = change as (draft: unknown) => unknown;
      currentRun('defineContext().update').context.update(definition, edit, provenance);
    },
  };
}
