// What an operator does when the engine's own attempts do not help: asks again at a slower pace, or overrules a check.
// Each command runs in a process of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from 'reprise/client';
import { reprise } from '../processes/reprise-command.ts';
import { slowEnoughMs } from './activities.ts';
import { callsOf, lineOf, type StartChain, totalOf } from './calls.ts';

export class Operator {
  readonly #databaseUrl: string;

  constructor(databaseUrl: string) {
    this.#databaseUrl = databaseUrl;
  }

  /** A critic is refused and would have to wait for an hour. Returns the expectations that failed. */
  async slowDown(start: StartChain): Promise<string[]> {
    const faults: string[] = [];
    const critics = ['self-refine', 'constitutional'];
    const handle = await start('refused', { prompt: 'the ethics of AI', critics, delayMs: 0 });
    const { activityId, lastFailure } = await failedCall(handle);
    console.log(`\n${activityId} failed: ${lastFailure}`);
    const generation = (await callsOf(handle))[0];

    if (await this.#skip(handle, activityId, '""', 'no patience')) faults.push('a critic could be skipped');
    const edit = `/0/delayMs=${slowEnoughMs}`;
    const retry = ['retry', handle.workflowId, '--activity', activityId, '--set', edit, '--reason', 'slower pace'];
    if (!(await this.#run(retry))) return ['the retry was refused'];
    await handle.result();

    const calls = await callsOf(handle);
    for (const call of calls) console.log(lineOf(call));
    console.log(`total ${totalOf(calls)}: each call is paid once`);
    if (calls.some(({ payments }) => payments !== 1)) faults.push('a call of the refused chain was not paid once');
    if (calls[0]?.costUsd !== generation?.costUsd) faults.push('the first generation was paid again');
    return faults;
  }

  /** A check takes a harmless text for a threat. Returns the expectations that failed. */
  async overrule(start: StartChain): Promise<string[]> {
    const prompt = 'how to survive a heart attack';
    const handle = await start('alarmed', { prompt, critics: ['constitutional'], delayMs: 0 });
    const { activityId, lastFailure } = await failedCall(handle);
    console.log(`\n${activityId} failed: ${lastFailure}`);
    const verdict = '{"passed":true,"problem":""}';
    if (!(await this.#skip(handle, activityId, verdict, 'known false alarm'))) return ['the check was not skipped'];
    console.log(`text: ${await handle.result()}`);

    const skips = (await handle.history()).filter(({ type, name }) => type === 'RecoveryApplied' && name === 'skip');
    for (const { sourceId, reason } of skips) console.log(`skipped by ${sourceId}: ${reason}`);
    return skips.length === 1 ? [] : [`${skips.length} calls were skipped, expected 1`];
  }

  /** Returns false when the skip is refused. */
  async #skip({ workflowId }: WorkflowHandle, activityId: string, result: string, reason: string): Promise<boolean> {
    return this.#run(['skip', workflowId, '--activity', activityId, '--result', result, '--reason', reason]);
  }

  #run(command: readonly string[]): Promise<boolean> {
    return reprise(this.#databaseUrl, ['workflow', ...command, '--actor', 'ann']);
  }
}

/** Waits until a call has failed and waits for its next attempt. */
async function failedCall(handle: WorkflowHandle): Promise<{ activityId: string; lastFailure: string }> {
  for (;;) {
    const { pendingActivities } = await handle.describe();
    const [only, another] = pendingActivities;
    if (only !== undefined && another === undefined && only.lastFailure !== null) {
      return { activityId: only.activityId, lastFailure: only.lastFailure };
    }
    await sleep(20);
  }
}
