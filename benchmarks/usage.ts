// Parses the options of the benchmark commands. The commands report bad usage in one line and exit with code 2.

/** Bad usage. The message says what is wrong; the exit code is 2. */
export class UsageError extends Error {}

/** A whole number. @throws UsageError */
export function countOf(option: string, text: string, least: number, most = 1_000_000): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= least && count <= most) return count;
  throw new UsageError(`--${option} ${text}: expected a whole number from ${least} to ${most}.`);
}

/** Errors of `parseArgs` about bad options have such codes. */
export function asUsageError(error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS')
    ? new UsageError(`${(error as Error).message}\nOptions stand behind --; --help prints them.`)
    : error;
}
