// `startChild`, `executeChild` and handles of other workflows, for workflow code. Names are Temporal's.
import { describeValue, isStorableName } from '../../core/json/json.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { type ChildWorkflowOptions, compileChildOptions } from './child-options.ts';
import type { StartedChild } from './children.ts';
import { type CurrentRun, currentRun } from '../run/current-run.ts';
import type { Target } from './externals.ts';
import type { SignalDefinition } from '../messages/message-definition.ts';
import { refuseReservedName } from '../../core/options/reserved-name.ts';
import { workflowNameOf } from '../../core/options/workflow-name.ts';
import { checkOptions, optionTable, unchecked } from '../../core/options/option-table.ts';
import { uuid4 } from '../determinism/random-streams.ts';

type Workflow = (...args: never[]) => Promise<unknown>;

/**
 * A workflow that is given by its name accepts any arguments. A workflow of known type accepts the arguments of that
 * type.
 */
type ChildArguments<W extends Workflow> = [Parameters<W>, never[]] extends [never[], Parameters<W>]
  ? { readonly args?: readonly unknown[] }
  : [] extends Parameters<W>
    ? { readonly args?: Readonly<Parameters<W>> }
    : { readonly args: Readonly<Parameters<W>> };

export type ChildWorkflowStartOptions<W extends Workflow = Workflow> = ChildWorkflowOptions & ChildArguments<W>;

type OptionalArguments<W extends Workflow> =
  Record<string, never> extends ChildArguments<W>
    ? [options?: ChildWorkflowStartOptions<W>]
    : [options: ChildWorkflowStartOptions<W>];

interface SignalOptions<Args extends readonly unknown[]> {
  readonly args?: Args;
}

const signalOptions = optionTable<SignalOptions<never>>(unchecked('args'));

/** Another run that can receive signals. */
interface Signallable {
  readonly workflowId: string;
  /** Resolves when the signal is durable. @throws ApplicationFailure when no such run is open */
  signal<Args extends unknown[]>(signal: SignalDefinition<Args> | string, ...args: Args): Promise<void>;
  signalWithOptions<Args extends unknown[]>(
    signal: SignalDefinition<Args> | string,
    options?: SignalOptions<Args>,
  ): Promise<void>;
  /**
   * Requests cancellation. Resolves when the request is durable.
   * @throws ApplicationFailure when no such run is open
   */
  cancel(): Promise<void>;
}

export interface ExternalWorkflowHandle extends Signallable {
  readonly runId: string | undefined;
}

export interface ChildWorkflowHandle<W extends Workflow = Workflow> extends Signallable {
  readonly firstExecutionRunId: string;
  /** Result of the last run of the child's chain. @throws ChildWorkflowFailure */
  result(): Promise<Awaited<ReturnType<W>>>;
}

/**
 * Starts a child. Resolves when its start is in the log.
 * @throws WorkflowExecutionAlreadyStartedError, INVALID_INPUT, NOT_SERIALISABLE
 */
export async function startChild<W extends Workflow>(
  workflow: W | string,
  ...[options]: OptionalArguments<W>
): Promise<ChildWorkflowHandle<W>> {
  const run = currentRun('startChild');
  const { child, workflowId } = start(run, 'startChild', workflow, options);
  const firstExecutionRunId = await child.started;
  return {
    ...signallable(run, () => ({ workflowId, meta: child.seq === undefined ? {} : { child: child.seq } }), workflowId),
    firstExecutionRunId,
    result: () => child.result as Promise<Awaited<ReturnType<W>>>,
  };
}

/** Starts a child and waits for its result. @throws ChildWorkflowFailure, and as `startChild` */
export async function executeChild<W extends Workflow>(
  workflow: W | string,
  ...[options]: OptionalArguments<W>
): Promise<Awaited<ReturnType<W>>> {
  const { child } = start(currentRun('executeChild'), 'executeChild', workflow, options);
  await child.started;
  return child.result as Promise<Awaited<ReturnType<W>>>;
}

function start(
  run: CurrentRun,
  call: string,
  workflow: Workflow | string,
  options: ChildWorkflowOptions & { readonly args?: readonly unknown[] } = {},
): { child: StartedChild; workflowId: string } {
  run.turn.assertWritable();
  const workflowType = nameOf(call, 'the workflow', workflowNameOf(call, workflow));
  refuseReservedName('workflow', workflowType);
  const { args = [] } = options;
  if (!Array.isArray(args)) throw invalid(call, `args is ${describeValue(args)}, expected an array`);
  const compiled = compileChildOptions(options, run.turn.nowMs);
  const workflowId = compiled.workflowId ?? uuid4();
  const child = run.children.start({ workflowType, workflowId, args, options: compiled });
  return { child, workflowId };
}

/**
 * A handle to any run of the namespace. Makes no call. `runId`: only that run, instead of the workflow id's open run.
 */
export function getExternalWorkflowHandle(workflowId: string, runId?: string): ExternalWorkflowHandle {
  const run = currentRun('getExternalWorkflowHandle');
  nameOf('getExternalWorkflowHandle', 'workflowId', workflowId);
  if (runId !== undefined) nameOf('getExternalWorkflowHandle', 'runId', runId);
  const meta = runId === undefined ? {} : { runId };
  return { ...signallable(run, () => ({ workflowId, meta }), workflowId), runId };
}

function signallable(run: CurrentRun, target: () => Target, workflowId: string): Signallable {
  const send = async (signal: { readonly name: string } | string, args: readonly unknown[]): Promise<void> => {
    const name = nameOf('signal', 'the signal', typeof signal === 'string' ? signal : signal.name);
    await run.externals.signal(target(), name, args);
  };
  return {
    workflowId,
    signal: (signal, ...args) => send(signal, args),
    signalWithOptions: async (signal, options) => {
      if (options !== undefined) checkOptions('signalWithOptions', options, signalOptions);
      await send(signal, options?.args ?? []);
    },
    cancel: async () => run.externals.cancel(target()),
  };
}

function nameOf(call: string, what: string, value: unknown): string {
  if (typeof value === 'string' && isStorableName(value)) return value;
  throw invalid(call, `${what} is ${describeValue(value)}, expected text of 1 to 1000 characters without NUL`);
}

function invalid(call: string, problem: string): RuntimeError {
  return new RuntimeError('INVALID_INPUT', `${call}: ${problem}.`);
}
