// What Promise.withResolvers gives, under a name of our own: declarations that users compile may not need es2024 of their
// `lib`.

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason?: unknown) => void;
}
