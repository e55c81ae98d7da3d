// Gives a command a client for the time that it runs.
import { Client, Connection } from '../../sdk/client.ts';
import { withDatabase } from './command-database.ts';

export function withClient(
  { namespace }: { readonly namespace: string },
  action: (client: Client) => Promise<void>,
): Promise<void> {
  return withDatabase(async (url) => {
    const connection = await Connection.connect({ connectionString: url });
    try {
      await action(new Client({ connection, namespace }));
    } finally {
      await connection.close();
    }
  });
}
