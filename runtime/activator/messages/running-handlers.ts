// Signal and update handlers that are running: `allHandlersFinished`, and the warning about handlers that the end of
// the run cuts off. Texts are Temporal's (behavior 64 in docs/behaviors.md).

import { HandlerUnfinishedPolicy } from '../../core/run/unfinished-policy.ts';

export interface RunningHandler {
  readonly kind: 'signal' | 'update';
  readonly name: string;
  readonly id?: string;
  readonly policy: HandlerUnfinishedPolicy | undefined;
}

export class RunningHandlers {
  readonly #running = new Set<RunningHandler>();

  get isEmpty(): boolean {
    return this.#running.size === 0;
  }

  add(handler: RunningHandler): void {
    this.#running.add(handler);
  }

  delete(handler: RunningHandler): void {
    this.#running.delete(handler);
  }

  /** The warnings to log if the run ended now. */
  warnings(): string[] {
    const unfinished = [...this.#running].filter(({ policy }) => policy !== HandlerUnfinishedPolicy.ABANDON);
    const updates = unfinished.filter(({ kind }) => kind === 'update');
    const signals = Map.groupBy(
      unfinished.filter(({ kind }) => kind === 'signal'),
      ({ name }) => name,
    );
    const warnings: string[] = [];
    if (updates.length > 0) {
      warnings.push(updateWarning + JSON.stringify(updates.map(({ name, id }) => ({ name, id }))));
    }
    if (signals.size > 0) {
      const counts = [...signals].map(([name, handlers]) => ({ name, count: handlers.length }));
      warnings.push(signalWarning + JSON.stringify(counts));
    }
    return warnings;
  }
}

function warning(kind: 'update' | 'signal', consequence: string, also: string): string {
  const name = kind === 'update' ? 'myUpdate' : 'mySignal';
  return (
    `[TMPRL1102] Workflow finished while ${kind === 'update' ? 'an update' : 'a signal'} handler was still running. ` +
    `This may have interrupted work that the ${kind} handler was doing${consequence}. You can wait for all update and ` +
    'signal handlers to complete by using `await workflow.condition(workflow.allHandlersFinished)`. Alternatively, if ' +
    `both you and the clients sending the ${kind} are okay with interrupting running handlers when the workflow ` +
    `finishes${also}, then you can disable this warning by passing an option when setting the handler: ` +
    `\`workflow.setHandler(${name}, ${name}Handler, { unfinishedPolicy: HandlerUnfinishedPolicy.ABANDON });\`. The ` +
    `following ${kind}s were unfinished (and warnings were not disabled for their handler): `
  );
}

const updateWarning = warning(
  'update',
  ", and the client that sent the update will receive a 'workflow execution already completed' error instead of the update result",
  ', and causing clients to receive errors',
);
const signalWarning = warning('signal', '', '');
