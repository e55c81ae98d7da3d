// A chain that is refused and tries again by itself, compared with one that was slow enough from the start.
import { join } from 'node:path';
import { readRunBundle } from 'reprise/client';
import { callsOf, lineOf, type StartChain, totalOf } from './calls.ts';

const prompt = 'the ethics of AI';
const critics = ['reflexion', 'constitutional'];

/** Exports the hurried chain into `folder`. Returns the expectations that failed. */
export async function compare(start: StartChain, folder: string): Promise<string[]> {
  const hurried = await start('hurried', { prompt, critics, delayMs: 0 });
  const slow = await start('slow', { prompt, critics, delayMs: 20 });
  await Promise.all([hurried.result(), slow.result()]);

  const calls = await callsOf(hurried);
  for (const call of calls) console.log(lineOf(call));
  console.log(`total ${totalOf(calls)}: each call is paid once`);

  const diff = await hurried.compare(slow);
  const { same, differs, missing, extra } = diff.counts;
  console.log(`compared with the slow run: ${same} same, ${differs} differ, ${missing + extra} more or fewer`);
  const first = diff.items[diff.firstDivergence?.index ?? -1];
  console.log(`first divergence: ${first?.id}, ${first?.differences.join(' and ')} (the pause is another)`);
  const isSameText = diff.context.length === 0 && diff.sameOutcome;
  console.log(`same text in the end: ${isSameText}`);

  const { file } = await hurried.export({ file: join(folder, 'hurried.reprise.gz') });
  const bundle = await readRunBundle(file);
  console.log(`${bundle.head} events are in ${file}, intact: look with gunzip, or`);
  console.log(`  npm run -s reprise -- workflow verify --file ${file}`);

  const faults: string[] = [];
  if (calls.some(({ payments }) => payments !== 1)) faults.push('a call of the hurried chain was not paid once');
  if (!isSameText) faults.push('the two chains wrote different texts');
  return faults;
}
