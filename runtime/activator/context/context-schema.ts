// Checks a context document with the user's schema. Changes nothing.

/** The part of a zod schema that the engine uses. */
export interface ContextSchema {
  safeParse(value: unknown): { readonly success: boolean; readonly error?: unknown };
}

/** The schema's findings as text; undefined when there are none. */
export function schemaFault(schema: ContextSchema, state: unknown): { text: string; error: unknown } | undefined {
  let error: unknown;
  try {
    const verdict = schema.safeParse(state);
    if (verdict.success) return undefined;
    error = verdict.error;
  } catch (thrown) {
    // A schema with an asynchronous refinement throws. A context is checked synchronously.
    return {
      text: `the schema cannot check synchronously (${String(thrown)}). Use only synchronous refinements`,
      error: thrown,
    };
  }
  const issues = (error as { issues?: readonly { path?: readonly unknown[]; message?: unknown }[] } | undefined)
    ?.issues;
  if (!Array.isArray(issues)) return { text: String(error), error };
  const told = issues.map(({ path = [], message }) => `/${path.join('/')}: ${String(message)}`);
  return { text: told.join('; '), error };
}
