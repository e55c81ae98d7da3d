// Commands that use a client: their common options, and a client that is open while the command runs.
import { Client, Connection } from '../../sdk/client.ts';
import type { Command } from 'commander';
import { newAction } from './command.ts';
import { withDatabase } from './command-database.ts';

export interface CommonOptions {
  namespace: string;
  json?: boolean;
}

/** A command with the options `--namespace` and `--json`. */
export function newClientAction(name: string, description: string): Command {
  return newAction(name, description).option('--namespace <name>', 'namespace of the workflows and workers', 'default');
}

export function withClient<T>({ namespace }: CommonOptions, action: (client: Client) => Promise<T>): Promise<T> {
  return withDatabase(async (url) => {
    const connection = await Connection.connect({ connectionString: url });
    try {
      return await action(new Client({ connection, namespace }));
    } finally {
      await connection.close();
    }
  });
}
