// The message of a thrown value, whatever it is: reading it may run code of others, which may throw. Without the name,
// unlike the text that a failed workflow task shows (activator/task-failure.ts).

/** The message of an error, or the value as text; never throws. */
export function thrownMessage(thrown: unknown): string {
  try {
    const isError = typeof thrown === 'object' && thrown !== null && 'message' in thrown;
    return isError ? String(thrown.message) : String(thrown);
  } catch {
    return `[a thrown ${typeof thrown} that cannot be read]`;
  }
}
