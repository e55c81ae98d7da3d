// The model calls of the chain, answered by a stub: no key, no network, the same answer each time. Its provider limits
// the rate of two critics and rejects one harmless prompt, as a real one does.
import { setTimeout as sleep } from 'node:timers/promises';
import { activity, activityInfo, ApplicationFailure, recordUsage } from 'reprise/activity';

export interface Verdict {
  passed: boolean;
  problem: string;
}

export interface CriticInput {
  critic: string;
  text: string;
  delayMs: number;
}

/** The provider refuses a critic's calls until it has been asked so often, unless the calls are slow enough. */
const limits: Readonly<Record<string, { attempts: number; retryIn: '50 ms' | '1 hour' }>> = {
  reflexion: { attempts: 3, retryIn: '50 ms' },
  'self-refine': { attempts: Infinity, retryIn: '1 hour' },
};
export const slowEnoughMs = 20;

export async function generate(prompt: string, critiques: string[]): Promise<string> {
  pay('writer', prompt.length, 400, 0.012);
  return [`An essay on ${prompt}.`, ...critiques.map((critique) => `It answers: ${critique}.`)].join(' ');
}

/** An operator may skip this check and say how it ends. */
export const validate = activity({ effect: 'none', skippable: true }, async (text: string): Promise<Verdict> => {
  if (text.includes('attack')) {
    const message = 'the filter takes the text for a threat';
    throw ApplicationFailure.create({ type: 'ContentFilterError', message, nextRetryDelay: '1 hour' });
  }
  pay('judge', text.length, 5, 0.001);
  const answers = text.split('It answers').length - 1;
  return { passed: answers >= 2, problem: answers >= 2 ? '' : `only ${answers} objections are answered` };
});

export async function criticize({ critic, text, delayMs }: CriticInput): Promise<string> {
  await sleep(delayMs);
  const limit = limits[critic];
  if (limit !== undefined && delayMs < slowEnoughMs && activityInfo().attempt < limit.attempts) {
    throw ApplicationFailure.create({
      type: 'RateLimitError',
      message: `429 too many requests, retry in ${limit.retryIn}`,
      // The next attempt comes when the provider allows it.
      nextRetryDelay: limit.retryIn,
    });
  }
  pay(critic, text.length, 80, 0.004);
  return `${critic} misses an example`;
}

/** Stands in the log with the call's result. */
function pay(model: string, inputTokens: number, outputTokens: number, costUsd: number): void {
  recordUsage({ model, inputTokens, outputTokens, costUsd });
}
