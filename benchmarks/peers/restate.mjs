// Restate: its own server with defaults on loopback, telemetry off; an SDK service, called through the ingress.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { arch, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

process.env.RESTATE_LOGGING = 'ERROR'; // the SDK reads it when it loads
const restate = await import('@restatedev/restate-sdk');
const clients = await import('@restatedev/restate-sdk-clients');
const kinds = ['one', 'sequential', 'fanOut', 'hold'];

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch (error) {
    if (error instanceof TypeError) return false; // fetch throws it while nobody listens
    throw error;
  }
}

/** @type {import('./adapter.ts').Adapter} */
export const adapter = {
  async serve() {
    const folder = await mkdtemp(join(tmpdir(), 'reprise-bench-restate-'));
    const [ingress, admin, node, endpoint] = await freePorts(4);
    const binary = createRequire(import.meta.url).resolve(
      `@restatedev/restate-server-${platform()}-${arch()}/bin/restate-server`,
    );
    const server = spawn(binary, ['--base-dir', folder, '--no-logo'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        RESTATE_DISABLE_TELEMETRY: 'true',
        DO_NOT_TRACK: '1',
        RESTATE_LISTEN_MODE: 'tcp',
        RESTATE_BIND_IP: '127.0.0.1',
        RESTATE_ADVERTISED_HOST: '127.0.0.1',
        RESTATE_BIND_PORT: String(node),
        RESTATE_INGRESS__BIND_PORT: String(ingress),
        RESTATE_ADMIN__BIND_PORT: String(admin),
        RESTATE_LOG_FILTER: 'error',
      },
    });
    while (!(await answers(`http://127.0.0.1:${admin}/health`))) {
      if (server.exitCode !== null) throw new Error(`The Restate server ended with code ${server.exitCode}.`);
      await sleep(50);
    }
    while (!(await answers(`http://127.0.0.1:${ingress}/restate/health`))) await sleep(50);
    return {
      address: { ingress, admin, endpoint },
      async stop() {
        const ended = once(server, 'exit');
        server.kill('SIGKILL'); // its data is deleted too
        await ended;
        await rm(folder, { recursive: true });
      },
    };
  },

  async open({ shapes, address }) {
    const bench = restate.service({
      name: 'bench',
      handlers: Object.fromEntries(
        kinds.map((kind) => [kind, (context, input) => shapes[kind]((name, body) => context.run(name, body), input)]),
      ),
    });
    const endpoint = http2.createServer(restate.createEndpointHandler({ services: [bench] }));
    endpoint.listen(address.endpoint, '127.0.0.1');
    await once(endpoint, 'listening');
    const registered = await fetch(`http://127.0.0.1:${address.admin}/deployments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ uri: `http://127.0.0.1:${address.endpoint}` }),
    });
    if (!registered.ok) throw new Error(`Restate refused the deployment: ${await registered.text()}`);
    const ingress = clients.connect({ url: `http://127.0.0.1:${address.ingress}` });
    const calls = ingress.serviceClient(bench);
    const sends = ingress.serviceSendClient(bench);
    return {
      start: (kind, input) => sends[kind](input),
      execute: (kind, input) => calls[kind](input),
      async stop() {
        endpoint.close();
      },
    };
  },
};
