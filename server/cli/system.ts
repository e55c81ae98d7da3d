// `reprise system …`: what concerns all runs of a database at once.
import type { Command } from 'commander';
import type { SystemCheckpoint, SystemCheckpointReport } from '../../sdk/client.ts';
import { type CommonOptions, newClientAction, withClient } from './command-client.ts';
import { newCommand } from './command.ts';
import { jsonText } from './json-view.ts';
import { countRows, formatTable } from './table.ts';

export function systemCommand(): Command {
  return newCommand('system', 'Look at all runs of the database at once.').addCommand(
    newCommand('checkpoints', 'The last event of every open run at one moment.')
      .addCommand(listCommand())
      .addCommand(createCommand())
      .addCommand(validateCommand()),
  );
}

function listCommand(): Command {
  return newClientAction('list', 'List system checkpoints, newest first.').action((options: CommonOptions) =>
    withClient(options, async ({ system }) => show(await system.checkpoints(), options)),
  );
}

function createCommand(): Command {
  return newClientAction('create', 'Record the last event of every open run.')
    .argument('<name>', 'a new name')
    .action((name: string, options: CommonOptions) =>
      withClient(options, async ({ system }) => {
        const made = await system.createCheckpoint(name);
        if (options.json === true) return console.log(jsonText(made));
        show([made], options);
      }),
    );
}

function validateCommand(): Command {
  return newClientAction(
    'validate',
    'Check that the log still has what a system checkpoint names; exits with 2 if not.',
  )
    .argument('<name>', 'name or id')
    .action((name: string, options: CommonOptions) =>
      withClient(options, async ({ system }) => {
        const report = await system.validateCheckpoint(name);
        console.log(options.json === true ? jsonText(report) : reportText(report));
        if (!report.ok) process.exitCode = 2;
      }),
    );
}

function show(rows: readonly SystemCheckpoint[], { json }: CommonOptions): void {
  if (json === true) return console.log(jsonText(rows));
  const cells = rows.map(({ name, at, runs, lsn, id }) => [name, at.toISOString(), String(runs), lsn ?? null, id]);
  console.log(
    `${formatTable(['name', 'at', 'open runs', 'lsn', 'id'], cells, new Set([2]))}\n${countRows(rows.length)}`,
  );
}

function reportText({ name, ok, runs, moved, pruned, damaged, problem }: SystemCheckpointReport): string {
  return [
    `System checkpoint ${name} is ${ok ? 'valid' : 'not valid'}: ${runs} runs, of which ${moved} have gone on.`,
    ...(problem === undefined ? [] : [`  ${problem}`]),
    ...pruned.map((runId) => `  run ${runId} was pruned since then`),
    ...damaged.map((runId) => `  run ${runId} has lost the event at its recorded seq: see reprise workflow verify`),
  ].join('\n');
}
