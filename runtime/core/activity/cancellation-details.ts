// Why a running activity must stop.
// Source: Temporal's reasons and details (behavior 37 in docs/behaviors.md).

/** Message of the CancelledFailure that the activity sees. */
export type CancelReason =
  | 'CANCELLED'
  | 'TIMED_OUT'
  | 'WORKER_SHUTDOWN'
  | 'HEARTBEAT_DETAILS_CONVERSION_FAILED'
  | 'PAUSED'
  | 'RESET'
  | 'NOT_FOUND'
  /** The worker was declared dead: results of its activities are discarded. */
  | 'LEASE_LOST';

type Detail = 'notFound' | 'cancelRequested' | 'paused' | 'timedOut' | 'workerShutdown' | 'reset';

const detailOf: Readonly<Record<CancelReason, Detail | undefined>> = {
  CANCELLED: 'cancelRequested',
  TIMED_OUT: 'timedOut',
  WORKER_SHUTDOWN: 'workerShutdown',
  HEARTBEAT_DETAILS_CONVERSION_FAILED: undefined,
  PAUSED: 'paused',
  RESET: 'reset',
  NOT_FOUND: 'notFound',
  LEASE_LOST: 'notFound',
};

export type ActivityCancellationDetailsOptions = { readonly [K in Detail]?: boolean };

/** What an attempt learns about its cancellation. Set at most once. */
export class ActivityCancellationDetails {
  readonly notFound: boolean;
  readonly cancelRequested: boolean;
  readonly paused: boolean;
  readonly timedOut: boolean;
  readonly workerShutdown: boolean;
  readonly reset: boolean;

  constructor(details: ActivityCancellationDetailsOptions = {}) {
    this.notFound = details.notFound ?? false;
    this.cancelRequested = details.cancelRequested ?? false;
    this.paused = details.paused ?? false;
    this.timedOut = details.timedOut ?? false;
    this.workerShutdown = details.workerShutdown ?? false;
    this.reset = details.reset ?? false;
  }

  static of(reason: CancelReason): ActivityCancellationDetails {
    const detail = detailOf[reason];
    return new ActivityCancellationDetails(detail === undefined ? {} : { [detail]: true });
  }
}
