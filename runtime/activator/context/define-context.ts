// The context as workflow code sees it: a typed JSON document of the run, read as an object, written by patches.
import type { DeepReadonly, Mutable } from '../../core/context/context-patch.ts';
import type { InputOp } from '../../core/context/context-input.ts';
import { currentRun } from '../run/current-run.ts';
import type { ContextDefinition, ContextSchema, Provenance } from './run-context.ts';

/**
 * `T` where JSON can hold it, `never` where it cannot: functions, bigint, symbol, Date, Map … do not compile. What may be
 * missing may be `undefined` by its type, as zod's `optional()` has it; as a value it is refused.
 */
export type JsonCompatible<T> = T extends string | number | boolean | null
  ? T
  : T extends ((...args: never[]) => unknown) | bigint | symbol | undefined
    ? never
    : T extends object
      ? { [K in keyof T]: JsonCompatible<T[K]> | (object extends Pick<T, K> ? undefined : never) }
      : never;

/** An operation whose value any type may have, interfaces too, as long as JSON can hold it. */
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
   * One event with all operations, or none: RFC 6902, and `set delete merge append`.
   * @throws CONTEXT_PATCH_INVALID with the pointer; READ_ONLY in a query; INVALID_INPUT for a bad provenance.
   */
  patch<O extends AnyOp>(ops: (O & Storable<O>) | readonly (O & Storable<O>)[], provenance?: Provenance): void;
  /**
   * `change` edits a draft as `produce` of immer has it; when it has returned, what it did is recorded as operations and
   * `state` shows it. What it inserted is taken as it is by then. If it throws, nothing is changed. Instead of editing
   * the draft it may return a new document; `undefined` is no document, and doing both is refused.
   * @throws CONTEXT_PATCH_INVALID with the pointer of what JSON cannot hold, or when `change` returns a promise.
   */
  update(change: (draft: Mutable<T>) => Mutable<T> | undefined | void, provenance?: Provenance): void;
}

export interface ContextOptions {
  /** Checked at every write. */
  readonly schema?: ContextSchema;
}

/**
 * To be called at module level. Only defines: the first use inside a run attaches the context and logs the initial
 * document. A run has one context. @throws CONTEXT_ALREADY_DEFINED at the first use of a second one.
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
      const given = ops as InputOp | readonly InputOp[]; // checked when applied, whatever the types said
      currentRun('defineContext().patch').context.patch(definition, given, provenance);
    },
    update(change, provenance): void {
      const edit = change as (draft: unknown) => unknown;
      currentRun('defineContext().update').context.update(definition, edit, provenance);
    },
  };
}
