// `reprise workflow export`: writes a run to a file that can be verified and replayed without the database.
import type { Command } from 'commander';
import { jsonText } from '../json-view.ts';
import { type RunOptions, withHandle, workflowAction } from './run-action.ts';

export function exportCommand(): Command {
  return workflowAction('export', 'Write a run to a file: history with lineage and hashes.')
    .option('--output <file>', 'path of the file; default <run id>.reprise.gz')
    .option('--with-code', 'also write the workflow code that worked on the run last')
    .action((workflowId: string, options: RunOptions & { output?: string; withCode?: boolean }) =>
      withHandle(workflowId, options, async (handle) => {
        const { output, withCode = false } = options;
        const exported = await handle.export({ withCode, ...(output === undefined ? {} : { file: output }) });
        if (options.json === true) return console.log(jsonText(exported));
        const { file, runId, events, headHash } = exported;
        console.log(`${file}: run ${runId}, ${events} events, last hash ${headHash ?? 'none'}`);
      }),
    );
}
