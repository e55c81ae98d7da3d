// What only shows after an activation, once Node has told of unhandled rejections, makes a failed task of it.
import type { Micros } from '../../core/log/event.ts';
import type { Input } from '../../core/run/input.ts';
import type { LiveRun } from './live-run.ts';
import { overLimit } from './payload-limit.ts';
import { type BuiltTurn, buildTurn } from './turn.ts';

export function checkedTurn(
  run: LiveRun,
  inputs: readonly Input[],
  built: BuiltTurn,
  { now, maxPayloadBytes }: { now: Micros; maxPayloadBytes: number },
): BuiltTurn {
  if (!built.activated || built.failure !== undefined) return built;
  const failed = run.sandbox?.rejection ?? overLimit(built.outputs, maxPayloadBytes, run.state.workflowType);
  return failed === undefined ? built : buildTurn(run, inputs, now, failed);
}
