// Checks the hash chain of a run's log, wherever it is read from. Streams the log; writes nothing.
import { ChainVerifier } from '../core/log/chain-verifier.ts';
import type { HistorySource } from '../core/log/history-source.ts';
import { sha256 } from '../store/codec/sha256.ts';

export interface Verification {
  readonly runId: string;
  readonly ok: boolean;
  /** Number of checked events. */
  readonly events: number;
  /** The last hash, hex; null if no turn has ended yet. Keep a copy elsewhere: it also shows a missing end. */
  readonly headHash: string | null;
  /** The first fault. */
  readonly fault: { readonly seq: number; readonly problem: string } | undefined;
}

export async function verifySource(source: HistorySource): Promise<Verification> {
  const chain = new ChainVerifier(source.line, sha256);
  const result = (fault: Verification['fault']): Verification => ({
    runId: source.runId,
    ok: fault === undefined,
    events: chain.seq,
    headHash: chain.head.length === 0 ? null : Buffer.from(chain.head).toString('hex'),
    fault,
  });
  for await (const page of source.pages({ arguments: 'whole' })) {
    for (const event of page) {
      const fault = chain.take(event);
      if (fault !== undefined) return result(fault);
    }
  }
  return result(chain.finish());
}
