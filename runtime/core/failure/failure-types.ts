// Which errors fail the run instead of its task, by the names that a worker was given.
// Source: Temporal's workflowFailureErrorTypes (spec/sdk.md behavior 56).

/** Names of error classes by workflow type, `*` for all types. `Error` stands for every error. */
export type FailureErrorTypes = Readonly<Record<string, readonly string[]>>;

/** What a history that the code cannot follow is called; Temporal has two names for it. */
const nondeterminism = ['NondeterminismError', 'DeterminismViolationError', 'Error'];

/** Names that hold for a workflow type; undefined when there are none. */
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

/** Whether a run ends when its code cannot follow its history. */
export function failsOnNondeterminism(names: readonly string[] | undefined): boolean {
  return names?.some((name) => nondeterminism.includes(name)) ?? false;
}
