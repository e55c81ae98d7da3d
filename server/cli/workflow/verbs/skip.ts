// `reprise workflow skip`.
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { RuntimeError } from '../../../../runtime/core/failure/runtime-error.ts';
import { withHandle } from '../run-action.ts';
import { jsonValue, printOutcome, verbAction, verbOf, type VerbRunOptions } from './verb-action.ts';

interface Options extends VerbRunOptions {
  activity: string;
  result?: string;
}

export function skipCommand(): Command {
  return verbAction('skip', 'End a pending activity that declares skippable: true, with a given result.')
    .requiredOption('--activity <address>', 'a seq, an activity id, or type#n')
    .option('--result <json>', 'what the activity returns: JSON, or @file with JSON (default: nothing)', resultText)
    .action((workflowId: string, options: Options) =>
      withHandle(workflowId, options, async (handle) => {
        const result = await resultOf(options.result);
        const outcome = await handle.skip({ ...verbOf(options), activity: options.activity, result });
        printOutcome(workflowId, outcome, { done: 'skipped', json: options.json });
      }),
    );
}

/** Checks JSON at once. A file is read when the command runs. */
function resultText(text: string): string {
  if (!text.startsWith('@')) jsonValue(text);
  return text;
}

async function resultOf(text: string | undefined): Promise<unknown> {
  if (text === undefined || !text.startsWith('@')) return text === undefined ? undefined : jsonValue(text);
  try {
    return jsonValue(await readFile(text.slice(1), 'utf8'));
  } catch (cause) {
    const problem = cause instanceof InvalidArgumentError ? 'it does not hold JSON' : String(cause);
    throw new RuntimeError('INVALID_INPUT', `The result cannot be read from ${text.slice(1)}: ${problem}.`, { cause });
  }
}
