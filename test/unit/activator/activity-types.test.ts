// The types that the compiler derives from an object of activities. Nothing runs.
import { it } from 'node:test';
import {
  type ActivityInterfaceFor,
  type LocalActivityInterfaceFor,
  NotAnActivityMethod,
  proxyActivities,
  proxyLocalActivities,
} from 'reprise/workflow';

interface Module {
  greet(name: string, times?: number): Promise<string>;
  count(): Promise<number>;
  synchronous(): number;
  constant: string;
}
declare const ordinary: ActivityInterfaceFor<Module>;
declare const local: LocalActivityInterfaceFor<Module>;

/** Compiled, never called. */
async function accepted(): Promise<void> {
  const text: string = await ordinary.greet('Ada');
  const sum: number = (await ordinary.count()) + (await local.count.executeWithOptions({ summary: 'counts' }, []));
  await ordinary.greet.executeWithOptions({ heartbeatTimeout: '1s', activityId: text }, ['Ada', sum]);
  await local.greet.executeWithOptions({ localRetryThreshold: '1m' }, ['Ada']);
  const none: typeof NotAnActivityMethod = ordinary.constant;
  const untyped = proxyActivities({ startToCloseTimeout: 1 });
  await untyped['anything']!(1, none, proxyLocalActivities<Module>({ startToCloseTimeout: 1 }));
}

/** Compiled, never called. */
function refused(): void {
  // @ts-expect-error an activity returns a promise
  void ordinary.synchronous();
  // @ts-expect-error not a function
  void local.constant();
  // @ts-expect-error the name is a text
  void ordinary.greet(5);
  // @ts-expect-error an argument is missing
  void local.greet.executeWithOptions({}, []);
  // @ts-expect-error local activities have no heartbeat timeout
  void local.count.executeWithOptions({ heartbeatTimeout: 1 }, []);
  // @ts-expect-error local activities have no id
  void proxyLocalActivities<Module>({ startToCloseTimeout: 1, activityId: 'mine' });
}

it('functions that return promises are activities, and other members cannot be called', () => {
  void accepted;
  void refused;
});
