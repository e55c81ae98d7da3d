// What happens to handlers that are still running when their workflow ends. Names are Temporal's.

/** What to do about a handler that is still running when the workflow ends. */
export const HandlerUnfinishedPolicy = {
  /** Log a warning and abandon the handler. The default. */
  WARN_AND_ABANDON: 'WARN_AND_ABANDON',
  /** Abandon the handler silently. */
  ABANDON: 'ABANDON',
} as const;
export type HandlerUnfinishedPolicy = (typeof HandlerUnfinishedPolicy)[keyof typeof HandlerUnfinishedPolicy];
