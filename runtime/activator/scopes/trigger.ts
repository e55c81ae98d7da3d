// A promise that workflow code settles explicitly. It rejects when its scope is cancelled.
import {
  type CancelListener,
  CancellationScope,
  cancellationOf,
  addCancelListener,
  removeCancelListener,
} from './cancellation-scope.ts';

export class Trigger<T> implements PromiseLike<T> {
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason?: unknown) => void;
  readonly #promise: Promise<T>;

  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const scope = CancellationScope.current();
    const listener: CancelListener = { cancelled: reject };
    this.#promise = promise;
    this.resolve = (value) => {
      removeCancelListener(scope, listener);
      resolve(value);
    };
    this.reject = (reason) => {
      removeCancelListener(scope, listener);
      reject(reason);
    };
    const cancelled = cancellationOf(scope);
    if (cancelled === undefined) addCancelListener(scope, listener);
    else reject(cancelled);
    promise.catch(() => undefined); // a trigger without listeners may reject
  }

  // `await trigger` needs a thenable.
  // oxlint-disable-next-line unicorn/no-thenable
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#promise.then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.#promise.catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.#promise.finally(onFinally);
  }
}
