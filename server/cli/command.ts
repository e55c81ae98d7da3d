// What all commands share: --json, and errors that reach server/cli.ts instead of ending the process.
import { Command } from 'commander';

export const usageHint = '(--help shows the usage)';

export function newCommand(name: string, description: string): Command {
  return new Command(name).description(description).exitOverride().showHelpAfterError(usageHint).helpCommand(false);
}

/** A command that does something itself. Other commands only group such commands. */
export function newAction(name: string, description: string): Command {
  return newCommand(name, description).option('--json', 'print JSON instead of text');
}
