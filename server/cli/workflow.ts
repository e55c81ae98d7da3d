// `reprise workflow …`: looks at runs and acts on them. Needs no worker and no workflow code. Each command has a file of its own in workflow/.
import type { Command } from 'commander';
import { newCommand } from './command.ts';
import { blameCommand } from './workflow/blame.ts';
import { cancelCommand } from './workflow/verbs/cancel.ts';
import { checkpointCommand } from './workflow/verbs/checkpoint.ts';
import { checkpointsCommand } from './workflow/checkpoints.ts';
import { compareCommand } from './workflow/compare.ts';
import { diffCommand } from './workflow/diff.ts';
import { exportCommand } from './workflow/export.ts';
import { forkCommand } from './workflow/verbs/fork.ts';
import { holdCommand } from './workflow/verbs/hold.ts';
import { lineageCommand } from './workflow/lineage.ts';
import { listCommand } from './workflow/list.ts';
import { patchContextCommand } from './workflow/verbs/patch-context.ts';
import { patchesCommand } from './workflow/patches.ts';
import { pauseCommand } from './workflow/verbs/pause.ts';
import { recoverCommand } from './workflow/verbs/recover.ts';
import { resetCommand } from './workflow/verbs/reset.ts';
import { restartCommand } from './workflow/verbs/restart.ts';
import { resumeCommand } from './workflow/verbs/resume.ts';
import { retryCommand } from './workflow/verbs/retry.ts';
import { rollbackCommand } from './workflow/verbs/rollback.ts';
import { showCommand } from './workflow/show.ts';
import { signalCommand } from './workflow/verbs/signal.ts';
import { skipCommand } from './workflow/verbs/skip.ts';
import { stateCommand } from './workflow/state.ts';
import { terminateCommand } from './workflow/verbs/terminate.ts';
import { timelineCommand } from './workflow/timeline.ts';
import { verifyCommand } from './workflow/verify.ts';

export function workflowCommand(): Command {
  return newCommand('workflow', 'Look at workflows, and act on them.')
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
    .addCommand(forkCommand())
    .addCommand(pauseCommand())
    .addCommand(resumeCommand())
    .addCommand(retryCommand())
    .addCommand(skipCommand())
    .addCommand(signalCommand())
    .addCommand(cancelCommand())
    .addCommand(terminateCommand());
}
