// A checkpoint that a person names: the present state of the context, folded from the log, pinned so that retention
// keeps it. Runs no code and needs no worker.
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { checkpointName } from '../../core/recovery/checkpoint-strategy.ts';
import { type CheckpointInfo, listCheckpoints, writeNamed } from '../../store/checkpoints/checkpoints.ts';
import { findNamed } from '../../store/checkpoints/named-checkpoints.ts';
import { lastTurnEnd } from '../../store/log/find-event.ts';
import type { Database } from '../../store/sql/database.ts';
import { foldContext } from './state-at.ts';

const compress = promisify(zstdCompress);

/** @throws CHECKPOINT_EXISTS, INVALID_INPUT for a bad name and for a run without a context */
export async function saveCheckpoint(database: Database, runId: string, name: string): Promise<CheckpointInfo> {
  checkpointName(name);
  if ((await findNamed(database, runId, name)) !== undefined) {
    throw new RuntimeError(
      'CHECKPOINT_EXISTS',
      `Run ${runId} has a checkpoint "${name}" already. Choose another name.`,
      {
        runId,
      },
    );
  }
  const end = await lastTurnEnd(database, runId);
  const folded = end && (await foldContext(database, runId, end.seq));
  if (end === undefined || folded === undefined || folded.patches === 0) {
    throw new RuntimeError(
      'INVALID_INPUT',
      `Run ${runId} has no context yet, so there is no state to name. A run has one from the first use of defineContext on.`,
      { runId },
    );
  }
  const plain = Buffer.from(JSON.stringify(folded.holder['']));
  const { taken } = await writeNamed(database, {
    ...{ runId, seq: end.seq, logHash: end.hash, contextSeq: folded.seq, name, trigger: 'manual' },
    ...{ state: await compress(plain), bytes: plain.length, patches: folded.patches, progress: undefined },
    ...{ worker: undefined, pinned: true },
  });
  if (taken !== undefined) {
    throw new RuntimeError(
      'CHECKPOINT_EXISTS',
      `The present state of run ${runId} has the name "${taken}" already, and a state has one name. Use it, or wait until ` +
        'the run has gone on.',
      { runId },
    );
  }
  const rows = await listCheckpoints(database, runId);
  return rows.find((row) => row.name === name) as CheckpointInfo;
}
