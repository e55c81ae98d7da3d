// Named moments at which a crash test may end the process. Nothing listens to them outside of tests.

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

export type FailPoint = (typeof failPoints)[number];

/** Called at each moment; a test's may end the process there. */
export type FailPointListener = (point: FailPoint) => void;
