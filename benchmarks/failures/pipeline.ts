// The pipeline of BM-11: three nodes, each of which patches the context. The worker of the second node dies, and the
// first attempt to publish fails.
import { defineContext, proxyActivities } from 'reprise/workflow';
import type * as activities from './pipeline-activities.ts';
import type { PipelineState } from './pipeline-activities.ts';

const { collect, transform, publish } = proxyActivities<typeof activities>({
  startToCloseTimeout: '10 minutes',
  retry: { initialInterval: 1, backoffCoefficient: 1 },
});
const product = defineContext<PipelineState>({ status: 'new', collected: 0, transformed: 0, published: '' });

export async function pipeline(item: number, death: activities.Death): Promise<PipelineState> {
  const patch = (node: string, changes: Partial<PipelineState>): void => {
    product.patch(
      Object.entries(changes).map(([key, value]) => ({ op: 'replace' as const, path: `/${key}`, value })),
      { source: 'tool', sourceId: node, reason: `${node} of item ${item}` },
    );
  };
  patch('start', { status: 'started' });
  patch('collect', { collected: await collect(item) });
  patch('transform', { transformed: await transform(product.state.collected, death) });
  patch('publish', { published: await publish(item, product.state.transformed), status: 'published' });
  return product.state;
}
