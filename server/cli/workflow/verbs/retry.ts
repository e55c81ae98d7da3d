// `reprise workflow retry`.
import { type Command, InvalidArgumentError } from 'commander';
import type { RetryOptions } from '../../../../sdk/client.ts';
import { withHandle } from '../run-action.ts';
import { jsonValue, printOutcome, verbAction, verbOf, type VerbRunOptions } from './verb-action.ts';

type Edits = NonNullable<RetryOptions['input']>;

interface Options extends VerbRunOptions {
  activity?: string;
  input?: Edits;
  set?: Edits;
}

export function retryCommand(): Command {
  return verbAction('retry', 'Start the next attempt of a failed activity now.')
    .option('--activity <address>', 'a seq, an activity id, or type#n (default: the only one that failed)')
    .option('--input <path=json>', 'change a recorded argument, such as /0/delayMs=8000; may be repeated', addEdit)
    .option('--set <path=json>', 'the same as --input', addEdit)
    .action((workflowId: string, options: Options) =>
      withHandle(workflowId, options, async (handle) => {
        const { activity, json } = options;
        const input = [...(options.input ?? []), ...(options.set ?? [])];
        const outcome = await handle.retry({
          ...verbOf(options),
          ...(activity === undefined ? {} : { activity }),
          ...(input.length === 0 ? {} : { input }),
        });
        printOutcome(workflowId, outcome, { done: 'retried', json });
      }),
    );
}

/** `/0/delayMs=8000`: the value is JSON; text that is not JSON is taken as text. */
function addEdit(text: string, before: Edits = []): Edits {
  const at = text.indexOf('=');
  if (at < 1 || !text.startsWith('/')) {
    throw new InvalidArgumentError(
      'Expected a JSON pointer into the arguments, =, and a value, such as /0/delayMs=8000.',
    );
  }
  return [...before, { path: text.slice(0, at), value: valueOf(text.slice(at + 1)) }];
}

function valueOf(text: string): unknown {
  try {
    return jsonValue(text);
  } catch (error) {
    if (error instanceof InvalidArgumentError && !/^[[{"]/.test(text)) return text;
    throw error;
  }
}
