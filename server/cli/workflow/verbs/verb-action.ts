// What the commands that act on a run share: who does it, why, and the line that tells what was done.
import { type Command, InvalidArgumentError } from 'commander';
import type { VerbOutcome } from '../../../../sdk/client.ts';
import { jsonText } from '../../json-view.ts';
import { type RunOptions, workflowAction } from '../run-action.ts';
import { userName } from './user-name.ts';

export interface ActorRunOptions extends RunOptions {
  reason?: string;
  actor: string;
}

export interface VerbRunOptions extends ActorRunOptions {
  requestId?: string;
}

/** A command with `--reason` and `--actor`, which stand in the log. */
export function actorAction(name: string, description: string): Command {
  return workflowAction(name, description)
    .option('--reason <text>', 'why; stands in the log')
    .option('--actor <name>', 'who does it; stands in the log (default: the name of the system user)', userName());
}

/** A command with `--request-id` too: repeating it with the same id does nothing more. */
export function verbAction(name: string, description: string): Command {
  return actorAction(name, description).option(
    '--request-id <id>',
    'makes the command idempotent: repeat it with the same id',
  );
}

export function actorOf({ reason, actor }: ActorRunOptions): { readonly reason?: string; readonly actor: string } {
  return { actor, ...(reason === undefined ? {} : { reason }) };
}

export function verbOf(options: VerbRunOptions): ReturnType<typeof actorOf> & { readonly requestId?: string } {
  const { requestId } = options;
  return { ...actorOf(options), ...(requestId === undefined ? {} : { requestId }) };
}

/** `done`: what the run is now, such as `paused`. */
export function printOutcome(
  workflowId: string,
  outcome: VerbOutcome,
  { done, json }: { readonly done: string; readonly json: boolean | undefined },
): void {
  const { runId, seq, applied } = outcome;
  if (json === true) console.log(jsonText({ workflowId, ...outcome }));
  else console.log(`${workflowId} ${applied ? '' : 'was already '}${done} (seq ${seq}, run ${runId})`);
}

/** A value as JSON. @throws InvalidArgumentError */
export function jsonValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const shown = text.length <= 40 ? text : `${text.slice(0, 39)}…`;
    const remedy = /^[[{"]/.test(text) ? '' : `. A text needs quotes of its own: '${JSON.stringify(shown)}'`;
    throw new InvalidArgumentError(`Expected JSON, such as {"passed":true}, got ${shown}${remedy}.`);
  }
}
