// Messages between a thread that replays runs and the thread that reads their logs. The reader sends pages only as fast
// as the replay takes them, so memory does not grow with a run.
import type { ErrorCode } from '../../core/failure/runtime-error.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { HistoryPages, HistoryRange } from '../../core/log/history-source.ts';
import type { WorkflowBundle } from '../../sandbox/bundle/bundle.ts';
import type { MockedReplay, MockToolsOptions } from '../mock/mock-tools.ts';

export interface ReplayThreadData {
  readonly bundle: WorkflowBundle;
  readonly deadlockTimeoutMs: number;
}

/** What a replay knows about a run besides its events. */
export type RunFacts = Omit<HistoryPages, 'pages' | 'packedPages'>;

/** A page of events, or of bytes that the replaying thread decodes. */
export type SentPage = readonly HistoryEvent[] | Uint8Array<ArrayBuffer>;

/** Number of pages that are under way to the replay. */
export const pagesAhead = 3;

/** To the replaying thread. A page that is undefined is behind the last one. */
export type ToReplay =
  | { readonly type: 'replay'; readonly run: RunFacts; readonly options: MockToolsOptions }
  | { readonly type: 'page'; readonly read: number; readonly page: SentPage | undefined };

/** From the replaying thread. `read` numbers the passes over the log. */
export type FromReplay =
  | { readonly type: 'read'; readonly read: number; readonly range: HistoryRange }
  | { readonly type: 'taken'; readonly read: number }
  | { readonly type: 'enough'; readonly read: number }
  | { readonly type: 'replayed'; readonly replayed: MockedReplay }
  /** Errors lose their class and code on the way, so these are sent apart. */
  | { readonly type: 'failed'; readonly code: ErrorCode | undefined; readonly message: string };
