// A message in the form in which the receiving run reads it.
import type { ContextSource, EventType } from '../log/event.ts';

export interface Mail {
  readonly runId: string;
  /** Message number: 1-based, dense in a run. */
  readonly id: number;
  readonly type: EventType;
  readonly name: string | null;
  readonly payload: Uint8Array | null;
  readonly sourceId: string | null;
  readonly reason: string | null;
  readonly correlationId: string | null;
  readonly meta: string | null;
  readonly answers: number | null;
  /** ContextPatched: JSON text of a list of InputOp. */
  readonly ops: string | null;
  readonly source: ContextSource | null;
}
