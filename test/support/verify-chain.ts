// Runs the verifier of hash chains over a whole log. Tests compare its verdict with that of reprise_audit.verify.
import { ChainVerifier } from '../../runtime/core/log/chain-verifier.ts';
import type { HistoryEvent } from '../../runtime/core/log/event.ts';
import type { Sha256 } from '../../runtime/core/log/hash-chain.ts';
import { seqMax } from '../../runtime/core/log/line.ts';

/** `seq`: the event with the fault. If a hash does not match, the last event of the turn. */
type ChainVerdict =
  | { readonly ok: true; readonly head: Uint8Array }
  | { readonly ok: false; readonly seq: number; readonly problem: string };

/** Checks all events of a run that is not a fork, ordered by seq from 1. Returns the head or the first fault. */
export function verifyChain(runId: string, events: Iterable<HistoryEvent>, sha256: Sha256): ChainVerdict {
  const verifier = new ChainVerifier([{ runId, first: 1, last: seqMax }], sha256);
  for (const event of events) {
    const fault = verifier.take(event);
    if (fault !== undefined) return { ok: false, ...fault };
  }
  const fault = verifier.finish();
  return fault === undefined ? { ok: true, head: verifier.head } : { ok: false, ...fault };
}
