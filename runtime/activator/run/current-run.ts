// The run whose code executes now. This is the activator's only module-level variable. Workflow code calls free
// functions (`sleep`, `condition`), also from preloaded modules that all runs of a vm context share, and only the
// engine knows which run calls them. The engine enters one run at a time and drains its microtasks before it enters the
// next, so the variable is always right. The run's class implements `CurrentRun`, and its parts never import this file,
// which avoids import cycles.
import type { RunProperties } from '../../core/run/run-properties.ts';
import type { ActivityCalls } from '../calls/activities.ts';
import type { Children } from '../calls/children.ts';
import type { Externals } from '../calls/externals.ts';
import type { RunContext } from '../context/run-context.ts';
import type { Random, RandomStreams } from '../determinism/random.ts';
import type { Versions } from '../determinism/versions.ts';
import type { WorkflowInfo } from '../info/workflow-info.ts';
import type { Queries } from '../messages/queries.ts';
import type { RunningHandlers } from '../messages/running-handlers.ts';
import type { Signals } from '../messages/signals.ts';
import type { Updates } from '../messages/updates.ts';
import type { Conditions } from '../scopes/conditions.ts';
import type { Timeouts } from '../scopes/timeouts.ts';
import type { Timers } from '../scopes/timers.ts';
import { outsideWorkflow } from './outside-workflow.ts';
import type { OpenTurn } from './open-turn.ts';

/** A run as the functions of `reprise/workflow` use it. */
export interface CurrentRun {
  readonly turn: OpenTurn;
  readonly info: WorkflowInfo;
  /** The user's modules have been evaluated. */
  readonly isLoaded: boolean;
  properties: RunProperties;
  /** Markdown that people see beside the run; not in the history. */
  currentDetails: string;
  readonly timers: Timers;
  readonly timeouts: Timeouts;
  readonly conditions: Conditions;
  readonly activities: ActivityCalls;
  readonly children: Children;
  readonly externals: Externals;
  readonly signals: Signals;
  readonly updates: Updates;
  readonly queries: Queries;
  readonly running: RunningHandlers;
  readonly versions: Versions;
  readonly context: RunContext;
  readonly random: Random;
  readonly randomStreams: RandomStreams;
  /** `disposable` is disabled when the run is evicted. */
  onDispose(disposable: { disable(): void }): void;
}

let current: CurrentRun | undefined;

export function enterRun(run: CurrentRun | undefined): void {
  current = run;
}

export function maybeCurrentRun(): CurrentRun | undefined {
  return current;
}

/** @throws ILLEGAL_STATE outside workflow code; `caller` is the public name of the called function */
export function currentRun(caller: string): CurrentRun {
  if (current === undefined) throw outsideWorkflow(caller);
  return current;
}

export function inWorkflowContext(): boolean {
  return current !== undefined;
}

/** @throws ILLEGAL_STATE outside workflow code */
export function workflowInfo(): WorkflowInfo {
  return currentRun('workflowInfo').info;
}
