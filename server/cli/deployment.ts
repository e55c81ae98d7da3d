// `reprise deployment list|describe|set-current|set-ramping`: versions of workers, and which one takes new runs.
import { type Command, InvalidArgumentError } from 'commander';
import { toCanonicalString } from '../../runtime/core/run/deployment.ts';
import {
  type Client,
  type WorkerDeploymentDescription,
  type WorkerDeploymentSummary,
  type WorkerDeploymentVersionInfo,
} from '../../sdk/client.ts';
import { newCommand } from './command.ts';
import { type CommonOptions, newClientAction, withClient } from './command-client.ts';
import { jsonText } from './json-view.ts';
import { countRows, formatTable } from './table.ts';

interface SetOptions extends CommonOptions {
  allowNoPollers?: boolean;
}

export function deploymentCommand(): Command {
  return newCommand('deployment', 'Versions of workers: list them, and choose which one takes new runs.')
    .addCommand(listCommand())
    .addCommand(describeCommand())
    .addCommand(setCurrentCommand())
    .addCommand(setRampingCommand());
}

function listCommand(): Command {
  return newClientAction('list', 'Deployments that have had a worker.').action((options: CommonOptions) =>
    withClient(options, async ({ workerDeployment }) => {
      const deployments = await workerDeployment.list();
      console.log(options.json === true ? jsonText(deployments) : deploymentsText(deployments));
    }),
  );
}

function describeCommand(): Command {
  return newClientAction('describe', 'The versions of a deployment, and the open runs of each.')
    .argument('<deployment>', 'name of the deployment')
    .action((name: string, options: CommonOptions) => withClient(options, (client) => show(client, name, options)));
}

function setCurrentCommand(): Command {
  return settingAction('set-current', 'Send new runs and auto-upgrade runs to this build from now on.')
    .argument('<deployment>', 'name of the deployment')
    .argument('<build>', 'build id')
    .action((name: string, buildId: string, options: SetOptions) =>
      withClient(options, async (client) => {
        await client.workerDeployment.setCurrentVersion(name, buildId, options);
        await show(client, name, options);
      }),
    );
}

function setRampingCommand(): Command {
  return settingAction('set-ramping', 'Give this build a share of the runs that are not pinned.')
    .argument('<deployment>', 'name of the deployment')
    .argument('[build]', 'build id; leave it out to end the ramp')
    .option('--percentage <n>', '0 to 100', percentageOf, 0)
    .action((name: string, buildId: string | undefined, options: SetOptions & { percentage: number }) =>
      withClient(options, async (client) => {
        await client.workerDeployment.setRampingVersion(name, buildId ?? null, options.percentage, options);
        await show(client, name, options);
      }),
    );
}

function settingAction(name: string, description: string): Command {
  return newClientAction(name, description).option('--allow-no-pollers', 'allow a build that has never had a worker');
}

async function show({ workerDeployment }: Client, name: string, { json }: CommonOptions): Promise<void> {
  const description = await workerDeployment.describe(name);
  console.log(json === true ? jsonText(description) : descriptionText(description));
}

function percentageOf(text: string): number {
  const percentage = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && percentage <= 100) return percentage;
  throw new InvalidArgumentError('Expected a number from 0 to 100.');
}

function deploymentsText(deployments: readonly WorkerDeploymentSummary[]): string {
  const rows = deployments.map(({ deploymentName, currentVersion, rampingVersion, rampingPercentage }) => [
    deploymentName,
    currentVersion?.buildId ?? null,
    rampingVersion === undefined ? null : `${rampingVersion.buildId} (${rampingPercentage} %)`,
  ]);
  return `${formatTable(['deployment', 'current', 'ramping'], rows)}\n${countRows(rows.length)}`;
}

function descriptionText({ versions, autoUpgradeRuns, rampingPercentage }: WorkerDeploymentDescription): string {
  const status = (info: WorkerDeploymentVersionInfo): string =>
    info.status === 'RAMPING' ? `ramping ${rampingPercentage} %` : info.status.toLowerCase();
  const rows = versions.map((info) => [
    toCanonicalString(info.version),
    status(info),
    String(info.pinnedRuns),
    String(info.runsInMemory),
    String(info.liveWorkers),
    info.taskQueues.join(', '),
  ]);
  const columns = ['version', 'status', 'pinned runs', 'in memory', 'workers', 'task queues'];
  return `${formatTable(columns, rows, new Set([2, 3, 4]))}\n${autoUpgradeRuns} open runs follow the current version`;
}
