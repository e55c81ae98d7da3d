// Invalid names and options of versions and invalid changes of versions are refused, and nothing is written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, Connection } from 'reprise/client';
import { toCanonicalString, type VersioningOverride } from 'reprise/common';
import type { WorkerDeploymentOptions, WorkerOptions } from 'reprise/worker';
import { testDatabase } from '../support/database.ts';
import { fixtureWorker } from '../support/engine.ts';

const database = await testDatabase();
const connection = await Connection.connect({ connectionString: database.url });
const client = new Client({ connection });
const { workerDeployment, workflow } = client;
const version = { deploymentName: 'shop', buildId: '1.0' };

function refused(message: RegExp): { code: string; message: RegExp } {
  return { code: 'INVALID_INPUT', message };
}

async function rowCount(table: string): Promise<number> {
  return (await database.pool.query(`select from reprise.${table}`)).rowCount ?? 0;
}

test('toCanonicalString joins the deployment name and the build id', () => {
  assert.equal(toCanonicalString(version), 'shop.1.0');
});

test('incomplete or invalid worker options about the version are refused', async () => {
  const cases: [unknown, RegExp][] = [
    ['1.0', /^Worker option workerDeploymentOptions is the text "1\.0", expected an object of version, useW/],
    [{ version }, /^Worker option workerDeploymentOptions\.useWorkerVersioning is missing, expected true or false\.$/],
    [{ version, useWorkerVersioning: 1 }, /useWorkerVersioning is 1, expected true or false/],
    [{ version, useWorkerVersioning: true }, /workerDeploymentOptions\.defaultVersioningBehavior/],
    [
      { version, useWorkerVersioning: true, defaultVersioningBehavior: 'pinned' },
      /workerDeploymentOptions\.defaultVersioningBehavior is the text "pinned", expected PINNED or AUTO_UPGRADE/,
    ],
    [
      { version, useWorkerVersioning: false, defaultVersioningBehavior: 'PINNED' },
      /workerDeploymentOptions\.defaultVersioningBehavior/,
    ],
    [{ version, useWorkerVersioning: false, buildId: 'x' }, /workerDeploymentOptions has no option "buildId"/],
    [{ useWorkerVersioning: false }, /workerDeploymentOptions\.version must be \{ deploymentName, buildId \}/],
    [
      { version: { ...version, deploymentName: 'a.b' }, useWorkerVersioning: false },
      /version\.deploymentName must be text of 1 to 200 characters without "\." and ":", got the text "a\.b"/,
    ],
    [{ version: { ...version, buildId: '' }, useWorkerVersioning: false }, /version\.buildId must be text of 1 to 200/],
    [{ version: { ...version, buildId: '\uD800' }, useWorkerVersioning: false }, /version\.buildId must be/],
    [{ version: { ...version, buildId: '一'.repeat(30) }, useWorkerVersioning: false }, /version\.buildId must be/],
  ];
  for (const [given, message] of cases) {
    const workerDeploymentOptions = given as WorkerDeploymentOptions;
    await assert.rejects(fixtureWorker(connection, 'q', { workerDeploymentOptions }), refused(message));
  }
});

test('error types that are not lists of names are refused', async () => {
  for (const given of [[], { '*': 'Error' }, { '*': [Error] }, { order: [''] }]) {
    const workflowFailureErrorTypes = given as WorkerOptions['workflowFailureErrorTypes'];
    await assert.rejects(
      fixtureWorker(connection, 'q', { workflowFailureErrorTypes: workflowFailureErrorTypes! }),
      refused(/Worker option workflowFailureErrorTypes/),
    );
  }
});

test("Temporal's older options are accepted if they change nothing", async () => {
  await fixtureWorker(connection, 'q', { buildId: 'old', useVersioning: false });
  await assert.rejects(
    fixtureWorker(connection, 'q', { buildId: 'old', useVersioning: true }),
    refused(/^Worker option useVersioning is true, expected false, or workerDeploymentOptions in its place\.$/),
  );
});

test('a namespace that starts with @ is refused', async () => {
  assert.throws(
    () => new Client({ connection, namespace: '@shop' }),
    refused(/expected a name that does not start with @/),
  );
  await assert.rejects(
    fixtureWorker(connection, 'q', { namespace: '@shop' }),
    refused(/expected a name that does not start with @/),
  );
});

test('an override without a version is refused', async () => {
  const cases: [unknown, RegExp][] = [
    ['PINNED', /versioningOverride must be 'AUTO_UPGRADE' or \{ pinnedTo: /],
    [null, /versioningOverride must be/],
    [{}, /versioningOverride must be/],
    [{ pinnedTo: 'shop.1.0' }, /versioningOverride\.pinnedTo must be \{ deploymentName, buildId \}/],
    [{ pinnedTo: { deploymentName: 'shop' } }, /versioningOverride\.pinnedTo\.buildId must be/],
  ];
  for (const [given, message] of cases) {
    const options = { workflowId: 'w', taskQueue: 'q', versioningOverride: given as VersioningOverride };
    await assert.rejects(workflow.start('greet', options), refused(message));
  }
  assert.equal(await rowCount('runs'), 0);
});

test('a deployment or build that never had a worker is refused, and the error names it', async () => {
  await assert.rejects(workerDeployment.describe('shop'), refused(/Deployment "shop" has never had a worker/));
  await assert.rejects(
    workerDeployment.setCurrentVersion('shop', '1.0'),
    refused(/Deployment "shop" has never had a worker/),
  );
  await assert.rejects(
    workerDeployment.setRampingVersion('shop', null),
    refused(/Deployment "shop" has never had a worker/),
  );
  await assert.rejects(workerDeployment.describe('a.b'), refused(/deploymentName must be/));
  await assert.rejects(workerDeployment.setCurrentVersion('shop', ''), refused(/buildId must be/));
  assert.deepEqual([await workerDeployment.list(), await rowCount('deployment_versions')], [[], 0]);

  await workerDeployment.setCurrentVersion('shop', '1.0', { allowNoPollers: true });
  await assert.rejects(
    workerDeployment.setCurrentVersion('shop', '1.1'),
    refused(/Version shop\.1\.1 cannot be made current: it has never had a worker\. Known builds: 1\.0\. Start its/),
  );
  await assert.rejects(
    workerDeployment.setRampingVersion('shop', '1.0', 10),
    refused(/Version shop\.1\.0 cannot be made ramping: it is the current version/),
  );
  for (const percentage of [-1, 101, Number.NaN, '5']) {
    const call = workerDeployment.setRampingVersion('shop', '1.0', percentage as number);
    await assert.rejects(call, refused(/percentage is .*, expected 0 to 100/));
  }
  const summary = { deploymentName: 'shop', currentVersion: version, rampingVersion: undefined };
  assert.deepEqual(await workerDeployment.list(), [{ ...summary, rampingPercentage: undefined }]);
});

test('a version cannot ramp up without a current version', async () => {
  await assert.rejects(
    workerDeployment.setRampingVersion('lone', 'x', 10, { allowNoPollers: true }),
    refused(/Version lone\.x cannot be made ramping: no version of its deployment is current/),
  );
});

test('a query without an answer says which workers are missing', async () => {
  const options = { workflowId: 'waits', taskQueue: 'q', versioningOverride: { pinnedTo: version } };
  const handle = await workflow.start('greet', options);
  await assert.rejects(handle.query('anything'), {
    code: 'TIMEOUT',
    message: /Check that a worker of version shop\.1\.0 polls task queue q\./,
  });
  await handle.terminate();
  await connection.close();
});
