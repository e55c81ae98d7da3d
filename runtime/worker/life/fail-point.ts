// Named moments at which a crash test may end the process. Only tests listen.

export const failPoints = [
  'claimed',
  'loaded',
  'before append',
  'after append',
  'before activity',
  'after activity',
  'before park',
  'after park',
] as const;

/** Around activities that other workers execute. */
export const taskFailPoints = ['before offer', 'after offer', 'task claimed', 'before report', 'after report'] as const;
/** Around handing an attempt over to a client that will complete it. */
export const leavingFailPoints = ['before leaving', 'after leaving'] as const;

/** Around settling a standalone activity: inside the transaction, and after it. */
export const settlingFailPoints = ['settling', 'settled'] as const;

/** Around a fork that takes the place of an owned run: twice inside the transaction, and after it. */
export const forkFailPoints = ['before fork', 'forking', 'forked'] as const;

export type FailPoint =
  | (typeof failPoints)[number]
  | (typeof taskFailPoints)[number]
  | (typeof leavingFailPoints)[number]
  | (typeof settlingFailPoints)[number]
  | (typeof forkFailPoints)[number];

/** Called at each named moment. A test's listener may end the process. */
export type FailPointListener = (point: FailPoint) => void;
