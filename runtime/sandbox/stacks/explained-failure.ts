// The full message of a failed replay: adds what only a second, traced run of the code can find.
import { divergenceText } from '../../activator/determinism/divergence-text.ts';
import type { Divergence, TaskFailure } from '../../core/log/activation.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { frameText } from './user-frames.ts';
import type { WaitStack } from './wait-tracer.ts';

/** Number of waits that a message shows. */
const waitsMax = 5;

function waitLine({ call, frames }: WaitStack): string {
  const place = frameText(frames[0]!);
  return call === undefined ? place : `${call} in ${place}`;
}

/** The same failure with the full text, if its activation ran with `explains`. */
export function explainedFailure(
  { divergence, ...failure }: TaskFailure,
  { previous, waits }: { previous: readonly HistoryEvent[]; waits: readonly WaitStack[] },
): TaskFailure {
  if (divergence === undefined) return failure;
  // If the code issued a command, its place is shown, because that says more than the place where the code waits.
  const shown = divergence.produced === undefined ? waits.slice(0, waitsMax).map(waitLine) : [];
  return { ...failure, message: divergenceText(divergence, { previous, waits: shown }) };
}

/** A divergence as text, when no second replay has looked for more. */
export function differenceText(divergence: Divergence): string {
  return divergenceText(divergence);
}
