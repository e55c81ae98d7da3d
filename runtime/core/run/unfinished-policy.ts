// What becomes of handlers that have not ended when their workflow does. Names: Temporal's.

/** What to do about a handler that is still running when the workflow ends. */
export const HandlerUnfinishedPolicy = {
  /** Log a warning, and abandon it. The default. */
  WARN_AND_ABANDON: 'WARN_AND_ABANDON',
  /** Abandon it without a word. */
  ABANDON: 'ABANDON',
} as const;
export type HandlerUnfinishedPolicy = (typeof HandlerUnfinishedPolicy)[keyof typeof HandlerUnfinishedPolicy];
