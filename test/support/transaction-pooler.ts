// A pooler in front of Postgres that imitates PgBouncer before 1.21. Clients log in at the pooler. Each transaction (in
// session mode, each client) gets a server session, and the pooler does not track prepared statements.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import pg from 'pg';
import type { Scope } from './store.ts';

export type PoolMode = 'transaction' | 'session';

interface ServerSession {
  readonly socket: Socket;
  /** The client that currently uses the session. */
  client: Socket | undefined;
  /** How many answers the client waits for. */
  pending: number;
}

/** Starts a pooler with `size` server sessions. Returns its URL. The pooler stops at the end of the test. */
export async function transactionPooler(t: Scope, url: string, mode: PoolMode, size = 4): Promise<string> {
  const clients: pg.Client[] = [];
  const idle: ServerSession[] = [];
  const waiting: (() => void)[] = [];
  const sockets = new Set<Socket>();
  const release = (session: ServerSession): void => {
    session.client = undefined;
    idle.push(session);
    waiting.shift()?.();
  };
  for (let i = 0; i < size; i++) {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    const { connection } = client as pg.Client & { readonly connection: { readonly stream: Socket } };
    const socket = connection.stream;
    socket.removeAllListeners('data'); // from now on the session serves clients
    const session: ServerSession = { socket, client: undefined, pending: 0 };
    onMessages(socket, (type, message) => {
      session.client?.write(message);
      if (type !== 'Z') return;
      session.pending--;
      if (mode === 'transaction' && session.pending === 0 && message.at(-1) === 0x49) release(session);
    });
    idle.push(session);
  }
  const server = createServer((socket) => {
    sockets.add(socket);
    serve(socket);
  });
  const serve = (socket: Socket): void => {
    let session: ServerSession | undefined;
    let queue = Promise.resolve();
    const take = async (): Promise<ServerSession> => {
      if (session?.client === socket) return session;
      while (idle.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      session = idle.pop()!; // the most recently used session, as in PgBouncer
      session.client = socket;
      return session;
    };
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (session?.client === socket) release(session);
    });
    socket.once('data', () => {
      socket.write(welcome);
      onMessages(socket, (type, message) => {
        if (type === 'X') return;
        queue = queue.then(async () => {
          const taken = await take();
          if (type === 'Q' || type === 'S') taken.pending++;
          taken.socket.write(message);
        });
      });
    });
  };
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await closed(server);
    for (const client of clients) {
      const { connection } = client as pg.Client & { readonly connection: { readonly stream: Socket } };
      connection.stream.destroy();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pooled = new URL(url);
  pooled.hostname = '127.0.0.1';
  pooled.port = String((server.address() as AddressInfo).port);
  return pooled.href;
}

async function closed(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

/** The pooler's answer to a login: accepted, a process id that no server session has, ready. */
const welcome = Buffer.concat([
  Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]),
  Buffer.from([0x4b, 0, 0, 0, 12, 0x7f, 0xff, 0xff, 0xfe, 0, 0, 0, 1]),
  Buffer.from([0x5a, 0, 0, 0, 5, 0x49]),
]);

/** Splits a stream into protocol messages. A message has a type, a length (which counts its own bytes), and a body. */
function onMessages(socket: Socket, take: (type: string, message: Buffer) => void): void {
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const end = rest.readInt32BE(1) + 1;
      take(String.fromCharCode(rest[0]!), rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  });
}
