#!/usr/bin/env node
// The command `reprise`. Exit codes: 0 success, 1 refused or failed, 2 divergence or integrity fault, 64 wrong usage.
import { CommanderError, InvalidArgumentError } from 'commander';
import { RuntimeError } from '../runtime/core/failure/runtime-error.ts';
import { newCommand, usageHint } from './cli/command.ts';
import { deploymentCommand } from './cli/deployment.ts';
import { inFlags } from './cli/flag-names.ts';
import { replayCommand } from './cli/replay.ts';
import { pruneCommand } from './cli/prune.ts';
import { sqlCommand } from './cli/sql.ts';
import { systemCommand } from './cli/system.ts';
import { workflowCommand } from './cli/workflow.ts';

const program = newCommand('reprise', 'Durable execution on plain Postgres, with replay.')
  .addCommand(workflowCommand())
  .addCommand(replayCommand())
  .addCommand(deploymentCommand())
  .addCommand(systemCommand())
  .addCommand(pruneCommand())
  .addCommand(sqlCommand());

async function main(): Promise<number> {
  try {
    await program.parseAsync();
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed all but those that an action threw.
      if (error instanceof InvalidArgumentError) console.error(`error: ${error.message}\n${usageHint}`);
      return error.exitCode === 0 ? 0 : 64;
    }
    if (!(error instanceof RuntimeError)) throw error;
    const { code } = error;
    const message = inFlags(error.message);
    console.error(
      process.argv.includes('--json') ? JSON.stringify({ error: { code, message } }) : `${code}: ${message}`,
    );
    return code === 'DETERMINISM' || code === 'BUNDLE_INVALID' ? 2 : 1;
  }
}

process.exitCode = await main();
