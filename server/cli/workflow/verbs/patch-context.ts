// `reprise workflow patch-context`: changes the context document of an open run as a person.
import { type Command, InvalidArgumentError } from 'commander';
import { type ContextOperation, type WorkflowHandle, RuntimeError } from '../../../../sdk/client.ts';
import type { Json } from '../../../../runtime/core/json/json.ts';
import { jsonText } from '../../json-view.ts';
import { countOf } from '../../table.ts';
import { withClient } from '../../command-client.ts';
import { type RunOptions, workflowAction } from '../run-action.ts';
import { userName } from './user-name.ts';

interface PatchOptions extends RunOptions {
  set: ContextOperation[];
  op: ContextOperation[];
  reason: string;
  actor: string;
  timeout: number;
}

export function patchContextCommand(): Command {
  return workflowAction('patch-context', 'Change the context document of an open run, with a reason.')
    .option('--set <pointer=json>', 'set the value at a JSON Pointer, such as /a=1 or /name="Ada"; repeatable', set, [])
    .option('--op <json>', 'an operation, such as {"op":"remove","path":"/a"}; repeatable', operation, [])
    .requiredOption('--reason <text>', 'why; stands in the log')
    .option('--actor <name>', 'who does it; stands in the log (default: the name of the system user)', userName())
    .option('--timeout <seconds>', 'how long to wait for a worker', seconds, 30)
    .action((workflowId: string, options: PatchOptions) =>
      withClient(options, (client) => {
        const handle = client.workflow.getHandle(workflowId, options.run);
        return client.withDeadline(Date.now() + options.timeout * 1000, () => patchContext(handle, options));
      }),
    );
}

async function patchContext(handle: WorkflowHandle, options: PatchOptions): Promise<void> {
  const { reason, actor, json } = options;
  const ops = [...options.set, ...options.op];
  if (ops.length === 0) throw new RuntimeError('INVALID_INPUT', 'There is nothing to change: pass --set or --op.');
  const applied = await handle.patchContext(ops, { reason, actor });
  if (json === true) return console.log(jsonText(applied));
  console.log(`applied ${countOf(ops.length, 'operation')} at seq ${applied.seq} of run ${applied.runId}`);
}

/** A pointer may hold `=`, so the value begins behind the first `=` that JSON follows. */
function set(text: string, before: readonly ContextOperation[]): ContextOperation[] {
  for (let at = text.indexOf('='); at !== -1; at = text.indexOf('=', at + 1)) {
    const value = parsed(text.slice(at + 1));
    if (value !== undefined) return [...before, { op: 'set', path: text.slice(0, at), value }];
  }
  throw new InvalidArgumentError('Expected <pointer>=<JSON>, such as /a=1 or /name="Ada" (texts need quotes).');
}

function operation(text: string, before: readonly ContextOperation[]): ContextOperation[] {
  const value = parsed(text);
  if (value === undefined) throw new InvalidArgumentError('Expected JSON, such as {"op":"remove","path":"/a"}.');
  return [...before, value as unknown as ContextOperation]; // patchContext checks it
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Expected a number of seconds above 0.');
  return value;
}
