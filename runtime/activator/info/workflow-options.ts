// Options of a workflow function, and their effect on the errors that it throws. Names are Temporal's (behavior 56 in
// docs/behaviors.md).
import { VersioningBehavior } from '../../core/run/deployment.ts';
import { failsOnNondeterminism } from '../../core/failure/failure-types.ts';
import { describeValue } from '../../core/json/json.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { type CheckpointStrategy, strategyFault } from '../../core/recovery/checkpoint-strategy.ts';
import { checkOptions, listOf, oneOf, optionTable, ruleOf } from '../../core/options/option-table.ts';

export interface WorkflowDefinitionOptions {
  /** When runs of the workflow may move to another build. Default: the worker's `defaultVersioningBehavior`. */
  readonly versioningBehavior?: VersioningBehavior;
  /**
   * Errors of these classes fail the run (or the update whose handler threw) instead of its task. `Error` means all.
   * Does not cover a history that the code cannot follow: see the worker's `workflowFailureErrorTypes`.
   */
  readonly failureExceptionTypes?: readonly (new (
    ...args: never[]
  ) => Error)[];
  /** When the worker caches the state of the run's context. Default: 'automatic'. */
  readonly checkpoint?: CheckpointStrategy;
}
/** A function is called once per run, just before the workflow function. It may use `workflowInfo()`. */
export type WorkflowDefinitionOptionsOrGetter = WorkflowDefinitionOptions | (() => WorkflowDefinitionOptions);

type WorkflowFunction = (...args: never[]) => Promise<unknown>;

/** Property of the function that holds its options. Temporal's name. */
const property = 'workflowDefinitionOptions';
const table = optionTable<WorkflowDefinitionOptions>(
  {
    versioningBehavior: oneOf(VersioningBehavior),
    failureExceptionTypes: listOf(ruleOf('an error class', (value) => typeof value === 'function')),
    checkpoint: { faultOf: (value) => faultAt(strategyFault(value)) },
  },
  {},
  'setWorkflowOptions: ',
);

function faultAt(problem: string | undefined): { at: string; problem: string } | undefined {
  return problem === undefined ? undefined : { at: '', problem };
}

function invalid(message: string): RuntimeError {
  return new RuntimeError('INVALID_INPUT', `setWorkflowOptions: ${message}.`);
}

function checked(options: WorkflowDefinitionOptions): WorkflowDefinitionOptions {
  if (typeof options !== 'object' || options === null) {
    throw invalid(`the options are ${describeValue(options)}, expected an object, or a function that returns one`);
  }
  checkOptions('setWorkflowOptions', options, table);
  return options;
}

/**
 * Sets the options of a workflow function. Call it at the top level of the module, before any run calls the function.
 * @throws INVALID_INPUT
 */
export function setWorkflowOptions(options: WorkflowDefinitionOptionsOrGetter, fn: WorkflowFunction): void {
  if (typeof fn !== 'function') throw invalid(`the workflow is ${describeValue(fn)}, expected a function`);
  Object.assign(fn, { [property]: typeof options === 'function' ? options : checked(options) });
}

/** Like `setWorkflowOptions`, but returns the function, for `export const`. */
export function defineWorkflowOptions<W extends WorkflowFunction>(
  options: WorkflowDefinitionOptionsOrGetter,
  fn: W,
): W {
  setWorkflowOptions(options, fn);
  return fn;
}

const none: WorkflowDefinitionOptions = {};

/** Call inside the run, since a getter may use workflowInfo(). */
export function optionsOf(fn: object): WorkflowDefinitionOptions {
  const options = (fn as { [property]?: WorkflowDefinitionOptionsOrGetter })[property];
  if (options === undefined) return none;
  return typeof options === 'function' ? checked(options()) : options;
}

function classNames(thrown: unknown): string[] {
  const names: string[] = [];
  if (typeof thrown !== 'object' || thrown === null) return names;
  const isFunction = (value: unknown): value is { name: unknown } => typeof value === 'function';
  for (let type: unknown = thrown.constructor; isFunction(type); type = Object.getPrototypeOf(type)) {
    if (typeof type.name === 'string' && type.name !== '') names.push(type.name);
  }
  return names;
}

/**
 * True when an error fails the run instead of its task, by the workflow's own options or by the error names in the
 * worker's options.
 */
export function isConfiguredFailure(
  thrown: unknown,
  types: readonly (new (...args: never[]) => Error)[] | undefined,
  names: readonly string[] | undefined,
): boolean {
  if (types?.some((type) => type === Error || thrown instanceof type) === true) return true;
  if (names === undefined) return false;
  if (names.includes('Error')) return true;
  const isViolation = thrown instanceof RuntimeError && thrown.code === 'DETERMINISM';
  return (isViolation && failsOnNondeterminism(names)) || classNames(thrown).some((name) => names.includes(name));
}
