// The systems' names and the settings that their adapters use.
import type { System } from './questions.ts';

export const titles: Record<System, string> = {
  reprise: 'Reprise',
  dbos: 'DBOS',
  absurd: 'Absurd',
  openworkflow: 'OpenWorkflow',
  restate: 'Restate',
};

interface Settings {
  readonly system: System;
  readonly packages: readonly string[];
  readonly text: string;
}

export const settings: readonly Settings[] = [
  {
    system: 'reprise',
    packages: [],
    text: 'defaults, 1000 activities at once (default 100); client and worker in two processes unless said otherwise',
  },
  {
    system: 'dbos',
    packages: ['@dbos-inc/dbos-sdk'],
    text: 'defaults (pool 10, LISTEN/NOTIFY on), started in the process of the worker, tracing off',
  },
  {
    system: 'absurd',
    packages: ['absurd-sdk'],
    text: 'worker concurrency 100 (default 1), poll 0.25 s, claim timeout 120 s and pool 10 (defaults); SQL from ABSURD_SQL',
  },
  {
    system: 'openworkflow',
    packages: ['openworkflow', 'postgres'],
    text: 'worker concurrency 100 (default 1), postgres.js pool 10, lease 30 s (defaults); refuses more than 1000 steps',
  },
  {
    system: 'restate',
    packages: ['@restatedev/restate-server', '@restatedev/restate-sdk', '@restatedev/restate-sdk-clients'],
    text: 'server defaults on loopback, telemetry off, log level of the SDK ERROR; its own log instead of Postgres',
  },
];
