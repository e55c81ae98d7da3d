// A stub of a model. REPRISE_BENCH_MODEL chooses between two models, whose answers differ for 5 % of the records.
import { activity, recordUsage } from 'reprise/activity';

export const usdPerCall = 0.000_283;

/** Every 20th record of a fixed permutation. */
export function differs(record: number): boolean {
  return (record * 7919) % 20 === 3;
}

export const rate = activity({ effect: 'none' }, async (record: number): Promise<string> => {
  const model = process.env['REPRISE_BENCH_MODEL'] ?? 'old';
  recordUsage({ model, inputTokens: 180, outputTokens: 12, costUsd: usdPerCall });
  return differs(record) ? `${model} answer` : 'answer';
});
