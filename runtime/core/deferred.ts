// Promise.withResolvers under a name of our own: the declarations that users compile must not require es2024 in their
// `lib`.

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason?: unknown) => void;
}
