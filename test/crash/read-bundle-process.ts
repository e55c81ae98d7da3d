// Reads a run bundle in a process with little memory, and prints the error's code and the most memory that it took.
import { readRunBundle } from '../../runtime/replay/run-bundle/run-bundle.ts';

const [, , file = ''] = process.argv;
const code = await readRunBundle(file).then(
  () => 'READ',
  (error: unknown) => (error as { code?: string }).code ?? String(error),
);
console.log(JSON.stringify({ code, maxMegabytes: Math.round(process.resourceUsage().maxRSS / 1024) }));
