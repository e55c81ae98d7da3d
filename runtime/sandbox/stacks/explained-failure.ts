// A failed replay in full: what only a second run of the code, watched, can tell beside what is known of the first.
import { divergenceText } from '../../activator/determinism/divergence-text.ts';
import type { TaskFailure } from '../../core/log/activation.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { frameText } from './user-frames.ts';
import type { WaitStack } from './wait-tracer.ts';

/** As many waits as a message shows. */
const waitsMax = 5;

function waitLine({ call, frames }: WaitStack): string {
  const place = frameText(frames[0]!);
  return call === undefined ? place : `${call} in ${place}`;
}

/** The same failure with the whole text, if it is of an activation that explains. */
export function explainedFailure(
  { divergence, ...failure }: TaskFailure,
  { previous, waits }: { previous: readonly HistoryEvent[]; waits: readonly WaitStack[] },
): TaskFailure {
  if (divergence === undefined) return failure;
  // Where a command was asked for says more than where the code went on to.
  const shown = divergence.produced === undefined ? waits.slice(0, waitsMax).map(waitLine) : [];
  return { ...failure, message: divergenceText(divergence, { previous, waits: shown }) };
}
