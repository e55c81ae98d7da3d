// The nodes of BM-11's pipeline, and the state that a pipeline must end with.
import { isFirstEntry, logEffect } from './effect-log.ts';

export interface PipelineState {
  readonly status: string;
  readonly collected: number;
  readonly transformed: number;
  readonly published: string;
}

/** `process`: the second node hangs until somebody kills its worker. `simulated`: it throws. */
export type Death = 'process' | 'simulated';

export async function collect(item: number): Promise<number> {
  logEffect('collect');
  return item * 3;
}

export async function transform(collected: number, death: Death): Promise<number> {
  const isFirst = isFirstEntry();
  logEffect('transform');
  if (isFirst) {
    if (death === 'process') await new Promise(() => undefined);
    throw new Error('the worker of this pipeline is gone');
  }
  return collected + 1;
}

export async function publish(item: number, transformed: number): Promise<string> {
  const isFirst = isFirstEntry();
  logEffect('publish');
  if (isFirst) throw new Error('the network is gone for a moment');
  return `item ${item}: ${transformed}`;
}

export function pipelineEnd(item: number): PipelineState {
  const transformed = item * 3 + 1;
  return { status: 'published', collected: item * 3, transformed, published: `item ${item}: ${transformed}` };
}
