// Options that belong to a workflow function, and what follows from them for the errors that it throws.
// Names: Temporal's (spec/sdk.md 1 and behavior 56).
import { VersioningBehavior } from '../../core/run/deployment.ts';
import { failsOnNondeterminism } from '../../core/failure/failure-types.ts';
import { describeValue } from '../../core/json/json.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { checkOptions, listOf, oneOf, optionTable, ruleOf } from '../../core/options/option-table.ts';

export interface WorkflowDefinitionOptions {
  /** When runs of the workflow may move to another build; default the worker's `defaultVersioningBehavior`. */
  readonly versioningBehavior?: VersioningBehavior;
  /**
   * Errors of these classes fail the run (or the update whose handler threw) instead of its task; `Error` stands for all.
   * A history that the code cannot follow is none of them: see the worker's `workflowFailureErrorTypes`.
   */
  readonly failureExceptionTypes?: readonly (new (
    ...args: never[]
  ) => Error)[];
}
/** A function is called once a run, just before its workflow function; it may use `workflowInfo()`. */
export type WorkflowDefinitionOptionsOrGetter = WorkflowDefinitionOptions | (() => WorkflowDefinitionOptions);

type WorkflowFunction = (...args: never[]) => Promise<unknown>;

/** Where a function keeps them; Temporal's name. */
const property = 'workflowDefinitionOptions';
const table = optionTable<WorkflowDefinitionOptions>(
  {
    versioningBehavior: oneOf(VersioningBehavior),
    failureExceptionTypes: listOf(ruleOf('an error class', (value) => typeof value === 'function')),
  },
  {},
  'setWorkflowOptions: ',
);

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

/** Sets the options of a workflow function; at the top of its module, before any run calls it. @throws INVALID_INPUT */
export function setWorkflowOptions(options: WorkflowDefinitionOptionsOrGetter, fn: WorkflowFunction): void {
  if (typeof fn !== 'function') throw invalid(`the workflow is ${describeValue(fn)}, expected a function`);
  Object.assign(fn, { [property]: typeof options === 'function' ? options : checked(options) });
}

/** As `setWorkflowOptions`; returns the function, for `export const`. */
export function defineWorkflowOptions<W extends WorkflowFunction>(
  options: WorkflowDefinitionOptionsOrGetter,
  fn: W,
): W {
  setWorkflowOptions(options, fn);
  return fn;
}

const none: WorkflowDefinitionOptions = {};

/** To be called in the run, since a getter may ask about it. */
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

/** Whether an error fails the run instead of its task, by the workflow's own options or the names the worker was given. */
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
