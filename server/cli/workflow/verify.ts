// `reprise workflow verify`: checks the hash chain of a run, in the database or in a file. Exits with 2 for a fault.
import type { Command } from 'commander';
import { readRunBundle } from '../../../sdk/client.ts';
import { colored } from '../color.ts';
import { type CommonOptions, newClientAction, withClient } from '../command-client.ts';
import { jsonText } from '../json-view.ts';

interface VerifyOptions extends CommonOptions {
  run?: string;
  file?: string;
}

export function verifyCommand(): Command {
  return newClientAction('verify', 'Check that no event of a run was edited or removed. Exits with 2 for a fault.')
    .argument('[id]', 'workflow id; its latest run')
    .option('--run <runId>', 'a certain run instead')
    .option('--file <file>', 'a file that `workflow export` wrote; needs no database')
    .action(async (workflowId: string | undefined, options: VerifyOptions, command: Command) => {
      if ((workflowId === undefined) === (options.file === undefined)) {
        command.error('verify needs a workflow id or --file, and not both.');
      }
      if (options.file !== undefined) return verifyFile(options.file, options);
      await withClient(options, async ({ workflow }) => {
        const found = await workflow.getHandle(workflowId!, options.run).verify();
        const { runId, events, headHash, fault } = found;
        if (fault !== undefined) process.exitCode = 2;
        if (options.json === true) return console.log(jsonText(found));
        if (fault === undefined) return console.log(intactText(runId, events, headHash));
        console.log(`${colored('red', 'not intact')}: run ${runId}, event ${fault.seq}: ${fault.problem}`);
      });
    });
}

/** @throws BUNDLE_INVALID, BUNDLE_TOO_LARGE */
async function verifyFile(file: string, { json }: VerifyOptions): Promise<void> {
  const { runId, workflowId, status, head, headHash, line, bundleHash, hasCode, exportedAt } =
    await readRunBundle(file);
  const found = { ok: true, runId, workflowId, status, events: head, headHash, line, bundleHash, hasCode, exportedAt };
  console.log(json === true ? jsonText(found) : intactText(runId, head, headHash));
}

function intactText(runId: string, events: number, headHash: string | null): string {
  return `${colored('green', 'intact')}: run ${runId}, ${events} events, last hash ${headHash ?? 'none'}`;
}
