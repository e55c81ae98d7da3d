// Runs the command `reprise` from the sources, in a separate process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../server/cli.ts', import.meta.url));

export interface CommandRun {
  code: number;
  out: string;
  err: string;
}

/** `url`: the database's URL. Without `url`, the command looks for a folder `.reprise/` from `cwd` upwards. */
export async function reprise(
  args: readonly string[],
  options: { url?: string; cwd?: string; input?: string } = {},
): Promise<CommandRun> {
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const name of ['REPRISE_DATABASE_URL', 'DATABASE_URL']) delete env[name];
  if (options.url !== undefined) env['REPRISE_DATABASE_URL'] = options.url;
  const child = spawn(process.execPath, ['-C', 'reprise-source', cli, ...args], { env, cwd: options.cwd });
  child.stdin.end(options.input ?? '');
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code: Number(code), out, err };
}
