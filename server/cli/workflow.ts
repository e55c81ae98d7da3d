// `reprise workflow …`: looks at runs. Needs no worker and no workflow code. Each command has a file of its own in workflow/.
import type { Command } from 'commander';
import { newCommand } from './command.ts';
import { blameCommand } from './workflow/blame.ts';
import { checkpointCommand } from './workflow/checkpoint.ts';
import { checkpointsCommand } from './workflow/checkpoints.ts';
import { compareCommand } from './workflow/compare.ts';
import { diffCommand } from './workflow/diff.ts';
import { exportCommand } from './workflow/export.ts';
import { forkCommand } from './workflow/fork.ts';
import { holdCommand } from './workflow/hold.ts';
import { lineageCommand } from './workflow/lineage.ts';
import { listCommand } from './workflow/list.ts';
import { patchContextCommand } from './workflow/patch-context.ts';
import { patchesCommand } from './workflow/patches.ts';
import { recoverCommand } from './workflow/recover.ts';
import { resetCommand } from './workflow/reset.ts';
import { restartCommand } from './workflow/restart.ts';
import { rollbackCommand } from './workflow/rollback.ts';
import { showCommand } from './workflow/show.ts';
import { stateCommand } from './workflow/state.ts';
import { timelineCommand } from './workflow/timeline.ts';
import { verifyCommand } from './workflow/verify.ts';

export function workflowCommand(): Command {
  return newCommand('workflow', 'Look at workflows.')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(stateCommand())
    .addCommand(patchesCommand())
    .addCommand(patchContextCommand())
    .addCommand(lineageCommand())
    .addCommand(compareCommand())
    .addCommand(exportCommand())
    .addCommand(verifyCommand())
    .addCommand(diffCommand())
    .addCommand(blameCommand())
    .addCommand(timelineCommand())
    .addCommand(checkpointsCommand())
    .addCommand(checkpointCommand())
    .addCommand(holdCommand())
    .addCommand(resetCommand())
    .addCommand(recoverCommand())
    .addCommand(rollbackCommand())
    .addCommand(restartCommand())
    .addCommand(forkCommand());
}
