// Decides which errors fail the run instead of only its task, by the names in the worker's configuration.
// Source: Temporal's workflowFailureErrorTypes (behavior 56 in docs/behaviors.md).

/** Names of error classes by workflow type, `*` for all types. `Error` means every error. */
export type FailureErrorTypes = Readonly<Record<string, readonly string[]>>;

/**
 * Configured names that cover a history which the code cannot follow. The first two are Temporal's names of that error.
 */
const nondeterminism = ['NondeterminismError', 'DeterminismViolationError', 'Error'];

/** Names that apply to a workflow type; undefined when there are none. */
export function failureErrorNames(
  types: FailureErrorTypes | undefined,
  workflowType: string,
): readonly string[] | undefined {
  if (types === undefined) return undefined;
  const names = [
    ...(Object.hasOwn(types, '*') ? types['*']! : []),
    ...(Object.hasOwn(types, workflowType) && workflowType !== '*' ? types[workflowType]! : []),
  ];
  return names.length === 0 ? undefined : names;
}

/** True if these failure types make nondeterminism fail the run, not only the task. */
export function failsOnNondeterminism(names: readonly string[] | undefined): boolean {
  return names?.some((name) => nondeterminism.includes(name)) ?? false;
}
