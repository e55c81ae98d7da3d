// The error of a `reprise/workflow` function that is called outside workflow code.
import { IllegalStateError } from '../../core/failure/runtime-error.ts';

/** Temporal's exact texts for these names: error texts are API. */
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

/** `caller`: the public name of the called function. */
export function outsideWorkflow(caller: string): IllegalStateError {
  const text = Object.hasOwn(ownTexts, caller) ? ownTexts[caller] : undefined;
  return new IllegalStateError(text ?? `Workflow.${caller}(...) may only be used from a Workflow Execution.`);
}
