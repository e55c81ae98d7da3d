// What the commands about one run share: the argument that names the run, and its handle.
import type { Command } from 'commander';
import type { ChainChoice, WorkflowHandle } from '../../../sdk/client.ts';
import { type CommonOptions, newClientAction, withClient } from '../command-client.ts';

export interface RunOptions extends CommonOptions {
  run?: string;
}

export function workflowAction(name: string, description: string): Command {
  return newClientAction(name, description)
    .argument('<id>', 'workflow id; shows its latest run')
    .option('--run <runId>', 'a certain run instead');
}

export function withHandle(
  workflowId: string,
  options: RunOptions,
  action: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  return withClient(options, (client) => action(client.workflow.getHandle(workflowId, options.run)));
}

/** A command about a certain run covers that run alone; otherwise also the earlier runs of the chain. */
export function chainOf({ run }: RunOptions): ChainChoice {
  return run === undefined ? {} : { chain: false };
}
