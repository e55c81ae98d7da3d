// The model calls of the chain, answered by a stub: no key, no network, the same answer each time. Its provider limits
// the rate of one critic, as a real one does.
import { setTimeout as sleep } from 'node:timers/promises';
import { activityInfo, ApplicationFailure, recordUsage } from 'reprise/activity';

export interface Verdict {
  passed: boolean;
  problem: string;
}

export interface CriticInput {
  critic: string;
  text: string;
  delayMs: number;
}

/** The provider refuses this critic's calls until it has been asked this often, unless the calls are slow enough. */
const limited = { critic: 'reflexion', attempts: 3, slowEnoughMs: 20, retryMs: 50 };

export async function generate(prompt: string, critiques: string[]): Promise<string> {
  pay('writer', prompt.length, 400, 0.012);
  return [`An essay on ${prompt}.`, ...critiques.map((critique) => `It answers: ${critique}.`)].join(' ');
}

export async function validate(text: string): Promise<Verdict> {
  pay('judge', text.length, 5, 0.001);
  const answers = text.split('It answers').length - 1;
  return { passed: answers >= 2, problem: answers >= 2 ? '' : `only ${answers} objections are answered` };
}

export async function criticize({ critic, text, delayMs }: CriticInput): Promise<string> {
  await sleep(delayMs);
  const isTooFast = delayMs < limited.slowEnoughMs && activityInfo().attempt < limited.attempts;
  if (critic === limited.critic && isTooFast) {
    throw ApplicationFailure.create({
      type: 'RateLimitError',
      message: `429 too many requests, retry in ${limited.retryMs} ms`,
      // The next attempt comes when the provider allows it.
      nextRetryDelay: limited.retryMs,
    });
  }
  pay(critic, text.length, 80, 0.004);
  return `${critic} misses an example`;
}

/** Stands in the log with the call's result. */
function pay(model: string, inputTokens: number, outputTokens: number, costUsd: number): void {
  recordUsage({ model, inputTokens, outputTokens, costUsd });
}
