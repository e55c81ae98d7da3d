// The input that ends a replay fork whose code has not ended. Its reason is for people, its meta for reports.
import type { ReplayStop } from '../../core/live-replay/replay-policy.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { Input } from '../../core/run/input.ts';

export function stopInput(stop: ReplayStop): Input {
  const { seq: _, ...input } = newEvent(0, 'WorkflowTerminated', {
    reason: stopText(stop),
    meta: JSON.stringify({ replay: stop }),
  });
  return input;
}

function stopText({ why, calls, message }: ReplayStop): string {
  const list = calls.map(({ kind, name, id, problem }) => {
    const call = `${kind} ${name}${id === '' ? '' : ` (${id})`}`;
    return problem === 'unsafe' ? `${call}, which is unsafe` : call;
  });
  switch (why) {
    case 'not-live':
      return `The replay stopped at a call that the record does not answer and that is not live: ${list.join(', ')}.`;
    case 'end-of-log':
      return `The record ended. The code waits for ${list.length === 0 ? 'a message' : list.join(', ')}.`;
    case 'task-failed':
      return `The replayed code failed: ${message ?? ''}`;
  }
}
