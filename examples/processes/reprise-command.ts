// Runs the command line of Reprise in a process of its own, as an operator at another machine would.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../server/cli.ts', import.meta.url));

/** Prints the command and what it says. Returns false if the command was refused. */
export async function reprise(databaseUrl: string, args: readonly string[]): Promise<boolean> {
  console.log(`$ reprise ${args.map(quoted).join(' ')}`);
  const env = { ...process.env, REPRISE_DATABASE_URL: databaseUrl };
  return new Promise((resolve) => {
    execFile(process.execPath, [...process.execArgv, program, ...args], { env }, (error, stdout, stderr) => {
      console.log(`${stdout}${stderr}`.trimEnd().replace(/^/gm, '  '));
      resolve(error === null);
    });
  });
}

function quoted(text: string): string {
  return /^[\w./#=:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
