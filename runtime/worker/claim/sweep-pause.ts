// How long not to look again after a look that reads dead rows, of which a held snapshot keeps any number: it takes one
// part in so many of the time. But a look may have been long for another reason (it waited for a lock, or for a statement
// before it on the same connection), and what nobody but a sweep finds (a run that became due long ago by a late commit,
// runs of a dead worker whose reaper died too) must not wait for minutes: every few seconds there is one, come what may.

const share = 50;
/** A whole lease: what a run may have to wait anyhow when its worker dies. */
const pauseMsMax = 5_000;

/** Ms from the end of a look that took so long to the next one. */
export function sweepPause(tookMs: number): number {
  return Math.min(tookMs * share, pauseMsMax);
}
