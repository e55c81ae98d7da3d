// The compile-time side of a patch: which JSON Pointers a document's type has, and which values stand there. Types only.
// A pointer is followed as long as the compiler knows it: a dynamic key, as in `/fixes/${id}`, reaches any member of an
// index signature or list, and behind it everything is allowed where the type does not say.

declare const missing: unique symbol;
/** Stands for a place that the document's type does not have. `Expected`: the pointers that it has there. */
interface Missing<Expected> {
  readonly [missing]: Expected;
}

type Unescape<Token extends string> = Token extends `${infer Before}~1${infer After}`
  ? `${Unescape<Before>}/${Unescape<After>}`
  : Token extends `${infer Before}~0${infer After}`
    ? `${Unescape<Before>}~${Unescape<After>}`
    : Token;

type Escape<Key extends string> = Key extends `${infer Before}~${infer After}`
  ? `${EscapeSlash<Before>}~0${Escape<After>}`
  : EscapeSlash<Key>;
type EscapeSlash<Key extends string> = Key extends `${infer Before}/${infer After}`
  ? `${Before}~1${EscapeSlash<After>}`
  : Key;

/** True for a text that is known only at run time, such as `string` or `fix-${string}`. */
type IsDynamic<Text extends string> = Record<never, never> extends Record<Text, 1> ? true : false;

type Keys<T> = T extends readonly unknown[] ? '-' | `${number}` : Escape<`${Exclude<keyof T, symbol>}`>;

/** The member of `T` at a key; each type of a union is looked at alone. */
type Child<T, Key extends string, Above extends string> = T extends readonly unknown[]
  ? Key extends '-' | `${number}`
    ? T[number]
    : IsDynamic<Key> extends true
      ? T[number]
      : Missing<`${Above}/${Keys<T>}`>
  : T extends object
    ? Key extends keyof T
      ? T[Key]
      : Key extends `${infer N extends number}`
        ? N extends keyof T
          ? T[N]
          : Missing<`${Above}/${Keys<T>}`>
        : IsDynamic<Key> extends true
          ? unknown
          : Missing<`${Above}/${Keys<T>}`>
    : Missing<never>;

type Found<V> = [Exclude<V, Missing<unknown> | undefined>] extends [never] ? V : Exclude<V, Missing<unknown>>;

type MemberOf<T, Key extends string, Above extends string> = unknown extends T
  ? unknown
  : Found<Child<Exclude<T, undefined>, Unescape<Key>, Above>>;

/** The type at a JSON Pointer of a document of type `T`; a Missing where there is none. */
type At<T, Pointer extends string, Above extends string = ''> = string extends Pointer
  ? unknown
  : Pointer extends ''
    ? T
    : Pointer extends `/${infer Key}/${infer Rest}`
      ? Behind<MemberOf<T, Key, Above>, `/${Rest}`, `${Above}/${Key}`>
      : Pointer extends `/${infer Key}`
        ? MemberOf<T, Key, Above>
        : Missing<'' | `/${string}`>;
type Behind<Value, Rest extends string, Above extends string> =
  Value extends Missing<unknown> ? Value : At<Value, Rest, Above>;

/** Interfaces and mutable lists fit where their read-only forms are expected. */
type Readable<T> = T extends readonly unknown[]
  ? number extends T['length']
    ? readonly Readable<T[number]>[]
    : { readonly [Key in keyof T]: Readable<T[Key]> }
  : T extends object
    ? { readonly [Key in keyof T]: Readable<T[Key]> }
    : T;

/** RFC 7396: null removes a member. */
type MergePatch<T> = T extends readonly unknown[]
  ? Readable<T>
  : T extends object
    ? { readonly [Key in keyof T]?: MergePatch<Exclude<T[Key], undefined>> | null }
    : T;

type ValueFor<Verb, V> = Verb extends 'append'
  ? V extends readonly (infer Item)[]
    ? Readable<Item>
    : unknown extends V
      ? unknown
      : never
  : Verb extends 'merge'
    ? MergePatch<V>
    : Readable<V>;

/** In error messages of the compiler: the document has no such place. `Known` lists the places that it has there. */
interface NoSuchPath<Known> {
  readonly [missing]: Known;
}

/** In error messages of the compiler: a value of another type belongs there. */
interface NotOfType<Expected> {
  readonly [missing]: Expected;
}

type PathOf<Part extends 'path' | 'from', V> =
  V extends Missing<infer Known> ? { readonly [P in Part]: NoSuchPath<Known> } : unknown;
type ValueOf<Verb, Value, V> = [Value] extends [ValueFor<Verb, Exclude<V, undefined>>]
  ? unknown
  : { readonly value: NotOfType<ValueFor<Verb, Exclude<V, undefined>>> };

/** What an operation on a document of type `T` must also satisfy: its paths exist, and its value fits there. */
export type FitsDocument<T, O> = O extends { readonly path: infer Path extends string }
  ? Checked<O, At<T, Path>> &
      (O extends { readonly from: infer From extends string } ? PathOf<'from', At<T, From>> : unknown)
  : unknown;
type Checked<O, V> = [V] extends [Missing<unknown>]
  ? PathOf<'path', V>
  : unknown extends V
    ? unknown
    : O extends { readonly op: infer Verb; readonly value: infer Value }
      ? ValueOf<Verb, Value, V>
      : unknown;

/** The same as one type for each operation of a list: `never` when the operation fits. */
export type FaultOf<T, O> = O extends { readonly path: infer Path extends string }
  ? PlaceFault<O, At<T, Path>> | (O extends { readonly from: infer From extends string } ? NoPlace<At<T, From>> : never)
  : never;
type NoPlace<V> = V extends Missing<infer Known> ? NoSuchPath<Known> : never;
type PlaceFault<O, V> = [V] extends [Missing<unknown>]
  ? NoPlace<V>
  : unknown extends V
    ? never
    : O extends { readonly op: infer Verb; readonly value: infer Value }
      ? [Value] extends [ValueFor<Verb, Exclude<V, undefined>>]
        ? never
        : NotOfType<ValueFor<Verb, Exclude<V, undefined>>>
      : never;
