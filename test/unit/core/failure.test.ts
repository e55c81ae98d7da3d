// Failures: classes, markers across copies and realms, wrapping, and the stored form.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';
import fc from 'fast-check';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  ensureApplicationFailure,
  isCancellation,
  RetryState,
  rootCause,
  ServerFailure,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
  TimeoutType,
  WorkflowExecutionAlreadyStartedError,
} from '../../../runtime/core/failure/failure.ts';
import {
  decodeFailure,
  encodeFailure,
  type FailureInfo,
  failureFromInfo,
  failureInfo,
} from '../../../runtime/core/failure/failure-info.ts';
import { decodePayload, encodePayload } from '../../../runtime/core/payload/payload.ts';

const recommendation =
  ' [A non-Error value was thrown from your code. We recommend throwing Error objects so that we can provide a stack trace]';

const oneOfEach = [
  new ApplicationFailure('m', 't', true, [1]),
  new CancelledFailure('m', [1]),
  new TerminatedFailure('m'),
  new TimeoutFailure('m', { progress: 1 }, TimeoutType.HEARTBEAT),
  new ActivityFailure('m', 'type', '1', RetryState.TIMEOUT, 'worker'),
  new ChildWorkflowFailure('ns', { workflowId: 'w', runId: 'r' }, 'type', RetryState.TIMEOUT),
  new ServerFailure('m', true),
  new WorkflowExecutionAlreadyStartedError('m', 'w', 'type'),
];

for (const failure of oneOfEach) {
  test(`${failure.name} keeps its class, name and fields when it is stored`, () => {
    const decoded = decodeFailure(encodeFailure(failure));
    assert.equal(decoded.constructor, failure.constructor);
    assert.deepStrictEqual({ ...decoded }, { ...failure });
    assert.deepStrictEqual(
      [decoded.name, decoded.message, decoded.stack],
      [failure.name, failure.message, failure.stack],
    );
    for (const other of oneOfEach) {
      const Class = other.constructor as typeof ApplicationFailure;
      assert.equal(decoded instanceof Class, other === failure, other.name);
    }
    assert.ok(decoded instanceof TemporalFailure && decoded instanceof Error);
  });
}

test('instanceof holds across copies of the module and for nothing else', async () => {
  const copy = (await import(`${new URL('../../../runtime/core/failure/failure.ts', import.meta.url).href}?copy`)) as {
    ApplicationFailure: typeof ApplicationFailure;
    CancelledFailure: typeof CancelledFailure;
  };
  assert.notEqual(copy.ApplicationFailure, ApplicationFailure);
  const theirs = copy.ApplicationFailure.nonRetryable('x', 'T');
  assert.ok(theirs instanceof ApplicationFailure && theirs instanceof TemporalFailure);
  assert.ok(ApplicationFailure.create({}) instanceof copy.ApplicationFailure);
  assert.equal(theirs instanceof CancelledFailure, false);
  assert.equal(ensureApplicationFailure(theirs), theirs);
  assert.ok(isCancellation(new copy.CancelledFailure('x')));
  for (const value of [null, undefined, 1, 'x', {}, new Error('x'), vm.runInNewContext('new Error("x")')]) {
    assert.equal(value instanceof TemporalFailure, false);
  }
});

test("a user's subclass of ApplicationFailure differs from its base", () => {
  class PaymentDeclined extends ApplicationFailure {}
  assert.ok(new PaymentDeclined('x') instanceof ApplicationFailure);
  assert.ok(new PaymentDeclined('x') instanceof PaymentDeclined);
  assert.equal(new ApplicationFailure('x') instanceof PaymentDeclined, false);
});

test('static factories of ApplicationFailure set the fields they name', () => {
  const cause = new Error('below');
  const made = ApplicationFailure.create({
    message: 'm',
    type: 't',
    details: [1],
    nextRetryDelay: '3s',
    category: 'BENIGN',
    cause,
  });
  const fields = { type: 't', nonRetryable: false, details: [1], nextRetryDelay: 3000, category: 'BENIGN' };
  assert.deepStrictEqual([{ ...made }, made.message, made.cause], [fields, 'm', cause]);
  const once = ApplicationFailure.nonRetryable('m', 'T', 1, 2);
  assert.deepStrictEqual([once.nonRetryable, once.type, once.details], [true, 'T', [1, 2]]);
  assert.equal(ApplicationFailure.retryable('m').nonRetryable, false);
});

test('fromError wraps an error, replaces the given fields and keeps the rest', () => {
  const error = new RangeError('m', { cause: new Error('below') });
  const failure = ApplicationFailure.fromError(error, { nonRetryable: true, details: ['d'] });
  assert.deepStrictEqual(
    [failure.message, failure.type, failure.nonRetryable, failure.details, failure.cause, failure.stack],
    ['m', 'RangeError', true, ['d'], error.cause, error.stack],
  );
  assert.equal(ApplicationFailure.fromError(failure, { type: 'Other' }).nonRetryable, true);
});

test('an invalid delay is rejected at once', () => {
  for (const nextRetryDelay of ['garbage', '', -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => ApplicationFailure.create({ nextRetryDelay }), /Invalid nextRetryDelay/);
  }
});

test('an Error is wrapped with its constructor name, message, stack and causes', () => {
  class NetworkDown extends Error {}
  const error = new NetworkDown('no route', { cause: new TypeError('inner') });
  const failure = ensureApplicationFailure(error);
  assert.deepStrictEqual(
    [failure.type, failure.nonRetryable, failure.message, failure.stack, failure.cause],
    ['NetworkDown', false, 'no route', error.stack, error.cause],
  );
  const stored = decodeFailure(encodeFailure(error));
  assert.ok(stored.cause instanceof ApplicationFailure);
  assert.deepStrictEqual([stored.cause.type, stored.cause.message], ['TypeError', 'inner']);
  const foreign = ensureApplicationFailure(vm.runInNewContext('new RangeError("r")'));
  assert.deepStrictEqual([foreign.type, foreign.message], ['RangeError', 'r']);
});

test('another kind of failure is wrapped like an Error', () => {
  const wrapped = ensureApplicationFailure(new CancelledFailure('CANCELLED'));
  assert.deepStrictEqual([wrapped.type, wrapped.message], ['CancelledFailure', 'CANCELLED']);
});

test('a thrown value that is not an Error gets the recommendation', () => {
  for (const [value, text] of [
    ['text', 'text'],
    [42, '42'],
    [undefined, 'undefined'],
    [null, 'null'],
    [{}, '[object Object]'],
    [Symbol('s'), 'Symbol(s)'],
  ] as const) {
    const failure = ensureApplicationFailure(value);
    assert.deepStrictEqual([failure.message, failure.stack, failure.type], [text + recommendation, '', undefined]);
  }
});

test('any thrown value can be stored', () => {
  const hostile = new Error('x');
  for (const key of ['message', 'stack', 'cause', 'constructor', 'name']) {
    Object.defineProperty(hostile, key, {
      get() {
        throw new Error(`no ${key}`);
      },
    });
  }
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  for (const thrown of [hostile, Object.create(null), revoked.proxy, () => 1, new Proxy(new Error('x'), {})]) {
    assert.ok(decodeFailure(encodeFailure(thrown)) instanceof ApplicationFailure);
  }
});

test('details that cannot be stored are replaced, and the others are kept', () => {
  const failure = new ApplicationFailure(
    'm',
    't',
    false,
    [1, () => 1, { a: new Map([[1, 2n]]) }],
    new CancelledFailure('c', [Symbol('s')]),
  );
  const decoded = decodeFailure(encodeFailure(failure));
  assert.ok(decoded instanceof ApplicationFailure && decoded.cause instanceof CancelledFailure);
  assert.deepStrictEqual(decoded.details[0], 1);
  assert.match(String(decoded.details[1]), /\[not serialisable: .*\$: a function/);
  assert.deepStrictEqual(decoded.details[2], { a: new Map([[1, 2n]]) });
  assert.match(String(decoded.cause.details[0]), /a symbol/);
});

test('long texts are cut to 8 KiB without splitting a character', () => {
  fc.assert(
    fc.property(fc.constantFrom('a', 'ä', '€', '😀'), fc.integer({ min: 0, max: 5 }), (unit, shift) => {
      const info = failureInfo(new ApplicationFailure('x'.repeat(shift) + unit.repeat(9000)));
      assert.ok(Buffer.byteLength(info.message) <= 8192 && Buffer.byteLength(info.message) > 8100);
      assert.ok(Buffer.byteLength(info.stack ?? '') <= 8192);
      assert.ok(info.message.isWellFormed() && info.message.endsWith(`${unit} … [cut]`));
    }),
  );
  const exact = 'x'.repeat(8192);
  assert.equal(failureInfo(new ApplicationFailure(exact)).message, exact);
});

test('a cyclic or very long chain of causes is cut', () => {
  const first = new Error('first');
  const second = new Error('second', { cause: first });
  first.cause = second;
  let long: Error = new Error('0');
  for (let index = 1; index < 1000; index += 1) long = new ApplicationFailure(String(index), null, false, [], long);
  for (const error of [first, long]) {
    let depth = 0;
    for (let info: FailureInfo | undefined = failureInfo(error); info !== undefined; info = info.cause) depth += 1;
    assert.equal(depth, 21);
  }
});

test('isCancellation looks through activities and children only', () => {
  const cancelled = new CancelledFailure('c');
  const activity = new ActivityFailure('a', 't', '1', RetryState.CANCEL_REQUESTED, undefined, cancelled);
  assert.ok(isCancellation(cancelled) && isCancellation(activity));
  assert.ok(isCancellation(new ChildWorkflowFailure('ns', { workflowId: 'w' }, 't', RetryState.IN_PROGRESS, activity)));
  assert.equal(isCancellation(new ApplicationFailure('x', null, false, [], cancelled)), false);
  assert.equal(isCancellation(new Error('x', { cause: cancelled })), false);
});

test('rootCause returns the message of the innermost failure', () => {
  const inner = new ApplicationFailure('inner');
  assert.equal(rootCause(new ActivityFailure('outer', 't', '1', RetryState.TIMEOUT, undefined, inner)), 'inner');
  assert.deepEqual([rootCause(new Error('e')), rootCause('text'), rootCause(1)], ['e', 'text', undefined]);
});

test('a child failure has the fixed message', () => {
  const failure = new ChildWorkflowFailure('ns', { workflowId: 'w' }, 't', RetryState.TIMEOUT);
  assert.equal(failure.message, 'Child Workflow execution failed');
});

test('a payload without a kind and one of an unknown kind give clear errors', () => {
  assert.throws(() => decodeFailure(encodePayload({ message: 'x' })), {
    code: 'PAYLOAD_UNREADABLE',
    message: /no kind/,
  });
  const newer = encodePayload({ kind: 'nexus', message: 'x' });
  assert.throws(() => decodeFailure(newer), { code: 'PAYLOAD_UNREADABLE', message: /"nexus" is unknown/ });
});

const short = fc.string({ unit: 'binary', maxLength: 20 });
const details = fc.array(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }), {
  minLength: 1,
  maxLength: 3,
});
const retryState = fc.constantFrom(...Object.values(RetryState));

const { info: anyInfo } = fc.letrec<{ info: FailureInfo }>((tie) => {
  const common = { message: short, stack: fc.string({ minLength: 1 }), cause: tie('info') };
  function optional<K extends string = never>(...required: K[]): { requiredKeys: ('kind' | 'message' | K)[] } {
    return { requiredKeys: ['kind', 'message', ...required] };
  }
  return {
    info: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.record({ kind: fc.constant('terminated' as const), message: short }),
      fc.record(
        {
          kind: fc.constant('application' as const),
          ...common,
          type: short,
          nonRetryable: fc.constant(true),
          details,
          nextRetryDelayMs: fc.nat(),
          category: fc.constant('BENIGN' as const),
        },
        optional(),
      ),
      fc.record({ kind: fc.constant('cancelled' as const), ...common, details }, optional()),
      fc.record(
        {
          kind: fc.constant('timeout' as const),
          ...common,
          timeoutType: fc.constantFrom(...Object.values(TimeoutType)),
          lastHeartbeatDetails: details,
        },
        optional('timeoutType'),
      ),
      fc.record(
        {
          kind: fc.constant('activity' as const),
          ...common,
          activityType: short,
          activityId: short,
          retryState,
          identity: short,
        },
        optional('activityType', 'retryState'),
      ),
      fc.record(
        { kind: fc.constant('server' as const), ...common, nonRetryable: fc.boolean() },
        optional('nonRetryable'),
      ),
    ) as fc.Arbitrary<FailureInfo>,
  };
});

test('plain data, class and bytes convert into each other', () => {
  fc.assert(
    fc.property(anyInfo, (info) => {
      const storedOnce = decodePayload(encodePayload(info)) as FailureInfo;
      const back = failureInfo(decodeFailure(encodeFailure(failureFromInfo(info))));
      assert.deepStrictEqual(back, storedOnce);
    }),
  );
});
