// The run whose code is executing now. This is the one module-level variable of the activator: workflow code calls
// free functions (`sleep`, `condition`), also from preloaded modules that all runs of a vm context share, and nothing
// but the engine knows which run that is. It is exact, because one run at a time is entered and its microtasks drain
// before the next one is.
import { IllegalStateError } from '../../core/failure/runtime-error.ts';
import type { Run } from './run.ts';

let current: Run | undefined;

export function enterRun(run: Run | undefined): void {
  current = run;
}

export function maybeCurrentRun(): Run | undefined {
  return current;
}

/** What Temporal says of these names, word for word: texts of errors are API. */
const ownTexts: Readonly<Record<string, string>> = {
  allHandlersFinished: 'allHandlersFinished() may only be used from a Workflow Execution.',
  continueAsNew:
    'Workflow.continueAsNew(...) and Workflow.makeContinueAsNewFunc(...) may only be used from a Workflow Execution.',
  deprecatePatch: 'Workflow.patch(...) and Workflow.deprecatePatch may only be used from a Workflow Execution.',
  clearTimeout: 'Workflow uninitialized',
  executeChild:
    'Workflow.executeChild(...) may only be used from a Workflow Execution. Consider using Client.workflow.execute(...) instead.',
  getCurrentDetails: 'getCurrentDetails() may only be used from a Workflow Execution.',
  getExternalWorkflowHandle:
    'Workflow.getExternalWorkflowHandle(...) may only be used from a Workflow Execution. Consider using Client.workflow.getHandle(...) instead.)',
  getRandomStream: 'Workflow.getRandomStream(...) may only be used from workflow context.',
  log: 'Workflow.log(...) may only be used from workflow context.',
  patched: 'Workflow.patch(...) and Workflow.deprecatePatch may only be used from a Workflow Execution.',
  scheduleActivity: 'Workflow.scheduleActivity(...) may only be used from a Workflow Execution',
  scheduleLocalActivity: 'Workflow.scheduleLocalActivity(...) may only be used from a Workflow Execution',
  setCurrentDetails: 'getCurrentDetails() may only be used from a Workflow Execution.',
  setTimeout: 'Workflow uninitialized',
  sleep: 'Workflow.sleep(...) may only be used from a Workflow Execution',
  startChild:
    'Workflow.startChild(...) may only be used from a Workflow Execution. Consider using Client.workflow.start(...) instead.)',
  uuid4: 'Workflow random APIs may only be used from workflow context.',
  workflowRandom: 'Workflow.workflowRandom may only be used from workflow context.',
};

/** @throws IllegalStateError outside workflow code; `caller` is the public name that was called. */
export function currentRun(caller: string): Run {
  if (current === undefined) {
    const text = Object.hasOwn(ownTexts, caller) ? ownTexts[caller] : undefined;
    throw new IllegalStateError(text ?? `Workflow.${caller}(...) may only be used from a Workflow Execution.`);
  }
  return current;
}

export function inWorkflowContext(): boolean {
  return current !== undefined;
}
