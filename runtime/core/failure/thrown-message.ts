// The message of any thrown value. Reading the message may run foreign code, which may throw. Omits the error's name,
// which the text of a failed workflow task includes (activator/run/task-failure.ts).

/** The message of an error, or the value as text. Never throws. */
export function thrownMessage(thrown: unknown): string {
  try {
    const isError = typeof thrown === 'object' && thrown !== null && 'message' in thrown;
    return isError ? String(thrown.message) : String(thrown);
  } catch {
    return `[a thrown ${typeof thrown} that cannot be read]`;
  }
}
