// Decides which errors fail the run instead of only its task, by the names that the worker is configured with.
// Source: Temporal's workflowFailureErrorTypes (spec/sdk.md behavior 56).

/** Names of error classes by workflow type, `*` for all types. `Error` means every error. */
export type FailureErrorTypes = Readonly<Record<string, readonly string[]>>;

/** Names of the error for a history that the code cannot follow. Temporal has two. */
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

/** True when a run fails if its code cannot follow its history. */
export function failsOnNondeterminism(names: readonly string[] | undefined): boolean {
  return names?.some((name) => nondeterminism.includes(name)) ?? false;
}
