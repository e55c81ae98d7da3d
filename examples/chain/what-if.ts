// Asks what would have happened: replays a finished chain with another verdict, and with the critics asked again. Each
// replay is a run of its own beside the chain, which stays as it is.
import type { WorkflowHandle } from 'reprise/client';
import { dollars } from './calls.ts';

/** Returns the expectations that failed; an empty list if none failed. */
export async function whatIf(handle: WorkflowHandle): Promise<string[]> {
  const faults: string[] = [];
  const hash = await headOf(handle);

  const content = await handle.replay({
    mode: 'LIVE_TOOLS',
    results: { 'validation#1': { passed: true, problem: '' } },
  });
  console.log('\nwhat if the judge had been content with the first draft?');
  console.log(`  text: ${content.outcome.replayed.value}`);
  console.log(`  calls entered: ${enteredIn(content)}, ${dollars(content.usd)}`);
  if (content.outcome.replayed.value !== 'An essay on the ethics of AI.') faults.push('the what-if has another text');

  const again = await handle.replay({ mode: 'LIVE_TOOLS', live: ['criticize'] });
  console.log('what if the critics are asked again?');
  console.log(`  same answers: ${((again.matchRate ?? 0) * 100).toFixed(0)} %, same text: ${again.outcome.isSame}`);
  console.log(`  calls entered: ${enteredIn(again)}, ${dollars(again.usd)}`);
  if (!again.outcome.isSame) faults.push('the critics, asked again, led to another text');

  if ((await headOf(handle)) !== hash) faults.push('a replay changed the log of the chain');
  return faults;
}

function enteredIn({ matches }: { readonly matches: readonly { readonly live: number }[] }): number {
  return matches.reduce((sum, { live }) => sum + live, 0);
}

async function headOf(handle: WorkflowHandle): Promise<string | null | undefined> {
  return (await handle.history()).at(-1)?.hash;
}
