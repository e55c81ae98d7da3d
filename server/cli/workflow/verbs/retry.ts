// `reprise workflow retry`.
import { type Command, InvalidArgumentError } from 'commander';
import type { RetryOptions, VerbOutcome, WorkflowHandle } from '../../../../sdk/client.ts';
import { jsonText } from '../../json-view.ts';
import { withHandle } from '../run-action.ts';
import { jsonValue, printOutcome, verbAction, verbOf, type VerbRunOptions } from './verb-action.ts';

type Edits = NonNullable<RetryOptions['input']>;

interface Options extends VerbRunOptions {
  activity?: string;
  input?: Edits;
  set?: Edits;
  force?: boolean;
}

export function retryCommand(): Command {
  return verbAction('retry', 'Start the next attempt of a failed activity now.')
    .option('--activity <address>', 'a seq, an activity id, or type#n (default: the only one that failed)')
    .option(
      '--input <path=json>',
      `change a recorded argument: a JSON pointer and JSON, such as /0/delayMs=8000 or '/0/name="Ada"'; may be repeated`,
      addEdit,
    )
    .option('--set <path=json>', 'the same as --input', addEdit)
    .option('--force', 'for a failed run: repeat what it did after the failure')
    .action((workflowId: string, options: Options) =>
      withHandle(workflowId, options, async (handle) => {
        const { activity, json, force } = options;
        const input = [...(options.input ?? []), ...(options.set ?? [])];
        const outcome = await handle.retry({
          ...verbOf(options),
          ...(activity === undefined ? {} : { activity }),
          ...(input.length === 0 ? {} : { input }),
          ...(force === undefined ? {} : { force }),
        });
        const args = input.length === 0 ? undefined : await newArguments(handle, outcome);
        printOutcome(workflowId, { ...outcome, ...(args === undefined ? {} : { args }) }, { done: 'retried', json });
        if (args !== undefined && json !== true) console.log(`new arguments: ${jsonText(args)}`);
      }),
    );
}

/** `/0/delayMs=8000`: the value is JSON. */
function addEdit(text: string, before: Edits = []): Edits {
  const at = text.indexOf('=');
  if (at < 1 || !text.startsWith('/')) {
    throw new InvalidArgumentError(
      'Expected a JSON pointer into the arguments, =, and a value, such as /0/delayMs=8000.',
    );
  }
  return [...before, { path: text.slice(0, at), value: jsonValue(text.slice(at + 1)) }];
}

/** The arguments as the log holds them now: in the event of the retry, or in one of the first events of a fork. */
async function newArguments({ client, workflowId }: WorkflowHandle, { runId, seq }: VerbOutcome): Promise<unknown> {
  const events = await client.getHandle(workflowId, runId).history({ after: seq - 1 });
  return events.find(({ type }) => type === 'RecoveryApplied')?.payload ?? undefined;
}
