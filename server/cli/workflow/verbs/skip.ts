// `reprise workflow skip`.
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { RuntimeError } from '../../../../runtime/core/failure/runtime-error.ts';
import { withHandle } from '../run-action.ts';
import { jsonValue, printOutcome, verbAction, verbOf, type VerbRunOptions } from './verb-action.ts';

interface Options extends VerbRunOptions {
  activity: string;
  result?: string;
  force?: boolean;
}

export function skipCommand(): Command {
  return verbAction('skip', 'End a pending activity that declares skippable: true, with a given result.')
    .requiredOption('--activity <address>', 'a seq, an activity id, or type#n')
    .option('--result <json>', 'what the activity returns: JSON, or @file with JSON; null for nothing', resultText)
    .option('--force', 'for a failed run: repeat what it did after the failure')
    .action((workflowId: string, options: Options) => {
      const { activity, result: text, force, json } = options;
      if (text === undefined) {
        throw new InvalidArgumentError(
          'skip needs --result <json>: what the activity returns; --result null for nothing.',
        );
      }
      return withHandle(workflowId, options, async (handle) => {
        const result = await resultOf(text);
        const forced = force === undefined ? {} : { force };
        const outcome = await handle.skip({ ...verbOf(options), ...forced, activity, result });
        printOutcome(workflowId, outcome, { done: 'skipped', json });
      });
    });
}

/** Checks JSON at once. A file is read when the command runs. */
function resultText(text: string): string {
  if (!text.startsWith('@')) jsonValue(text);
  return text;
}

async function resultOf(text: string): Promise<unknown> {
  if (!text.startsWith('@')) return jsonValue(text);
  try {
    return jsonValue(await readFile(text.slice(1), 'utf8'));
  } catch (cause) {
    const problem = cause instanceof InvalidArgumentError ? 'it does not hold JSON' : String(cause);
    throw new RuntimeError('INVALID_INPUT', `The result cannot be read from ${text.slice(1)}: ${problem}.`, { cause });
  }
}
