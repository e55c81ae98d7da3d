// PATCH_ONLY: folds the recorded context patches up to a point and reports on it. Runs no code, writes nothing.
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { Json } from '../../core/json/json.ts';
import type { HistorySource } from '../../core/log/history-source.ts';
import { isClosed } from '../../core/log/transition.ts';
import { FoldedState, type ReplayDivergence, type ReplayReport, stateHash } from '../report.ts';

/** What the recorded patches give at a seq. */
export interface RecordedState {
  readonly state: Json | undefined;
  readonly hash: string | null;
  readonly patches: number;
  /** A patch that does not apply to the document of the patches before it. The fold stops there. */
  readonly divergence: ReplayDivergence | undefined;
}

export async function recordedState(source: HistorySource, upTo: number): Promise<RecordedState> {
  const folded = new FoldedState();
  let patches = 0;
  let divergence: ReplayDivergence | undefined;
  for await (const page of source.patches(upTo)) {
    for (const { seq, ops } of page) {
      divergence = refused(folded, seq, ops);
      if (divergence !== undefined) break;
      patches += 1;
    }
    if (divergence !== undefined) break;
  }
  return { state: folded.state, hash: stateHash(folded.state), patches, divergence };
}

function refused(folded: FoldedState, seq: number, ops: string): ReplayDivergence | undefined {
  try {
    folded.apply(ops);
    return undefined;
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const message = `The context patch with seq ${seq} does not apply. ${error.message}`;
    return { seq, kind: 'context', code: error.code, message, recorded: `ContextPatched ${ops}` };
  }
}

/** `to`: default the end of the log. */
export async function patchOnly(
  source: HistorySource,
  { from: asked = 1, to = source.head }: { readonly from?: number | undefined; readonly to?: number | undefined },
): Promise<ReplayReport> {
  const begun = performance.now();
  const toSeq = Math.min(to, source.head);
  const from = Math.max(asked, 1);
  const { state, hash, patches, divergence } = await recordedState(source, toSeq);
  const { runId, workflowId, workflowType } = source;
  return {
    mode: 'PATCH_ONLY',
    success: divergence === undefined,
    ...{ runId, workflowId, workflowType, fromSeq: from, toSeq },
    end:
      divergence !== undefined
        ? 'stopped'
        : toSeq < source.head
          ? 'to'
          : isClosed(source.status)
            ? 'closed'
            : 'end-of-log',
    events: Math.max(0, toSeq - from + 1),
    patches,
    activities: 0,
    divergences: divergence === undefined ? [] : [divergence],
    missing: [],
    extra: [],
    mocked: [],
    stateHash: hash,
    expectedHash: hash,
    ...(state === undefined ? {} : { state }),
    ms: performance.now() - begun,
    usd: 0,
  };
}
