// `reprise workflow compare`: two runs side by side, with the first divergence marked.
import { type Command, InvalidArgumentError } from 'commander';
import { type ComparedRun, readRunBundle, type RunDiff, type RunDiffItem } from '../../../sdk/client.ts';
import { type Color, colored } from '../color.ts';
import { type CommonOptions, newClientAction, withClient } from '../command-client.ts';
import { jsonText } from '../json-view.ts';
import { formatTable } from '../table.ts';

interface CompareOptions extends CommonOptions {
  run?: string;
  withRun?: string;
  file?: string;
  withFile?: string;
  items: number;
}

const valueChars = 500;
const operationsMax = 20;
/** Number of equal items that are shown before the first divergence, when not all are shown. */
const itemsBefore = 3;

export function compareCommand(): Command {
  return newClientAction(
    'compare',
    'Compare two runs: calls, messages, outcome and context. Exits with 0 when they differ.',
  )
    .argument('[a]', 'workflow id; its latest run')
    .argument('[b]', 'workflow id of the other run; its latest run')
    .option('--run <runId>', 'a certain run of <a>')
    .option('--with-run <runId>', 'a certain run of <b>')
    .option('--file <file>', 'instead of <a> and <b>, with --with-file: a file that `workflow export` wrote')
    .option('--with-file <file>', 'instead of <b>: a file that `workflow export` wrote')
    .option('--items <n>', 'number of items to show, or "all"', itemCount, 40)
    .action(async (a: string | undefined, b: string | undefined, options: CompareOptions, command: Command) => {
      const diff = await compared([a, b], options, command);
      console.log(options.json === true ? jsonText(diff) : diffText(diff, options.items));
    });
}

/** Two files need no database. */
async function compared(
  [a, b]: readonly [string | undefined, string | undefined],
  options: CompareOptions,
  command: Command,
): Promise<RunDiff> {
  const { file, withFile, run, withRun } = options;
  if (file !== undefined && withFile !== undefined && a === undefined) {
    return (await readRunBundle(file)).compare(await readRunBundle(withFile));
  }
  if (a === undefined || file !== undefined || (b === undefined) === (withFile === undefined)) {
    command.error('compare needs two workflow ids, or one and --with-file, or --file and --with-file.');
  }
  return withClient(options, async ({ workflow }) => {
    const other = withFile === undefined ? workflow.getHandle(b!, withRun) : await readRunBundle(withFile);
    return workflow.getHandle(a, run).compare(other);
  });
}

function itemCount(text: string): number {
  if (text === 'all') return Number.POSITIVE_INFINITY;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number from 1, or "all".');
}

function diffText(diff: RunDiff, limit: number): string {
  const { same, differs, missing, extra } = diff.counts;
  const parts = [
    `a  ${runText(diff.a)}\nb  ${runText(diff.b)}`,
    itemsText(diff, limit),
    `${same} same, ${differs} differ, ${missing} missing in b, ${extra} extra in b`,
    ...divergenceText(diff),
    ...outcomeText(diff),
    ...contextText(diff),
    diff.isSame ? colored('green', 'The runs are the same.') : colored('yellow', `The runs differ: ${placesOf(diff)}.`),
  ];
  return parts.join('\n\n');
}

function runText({ workflowId, runId, workflowType, status, events }: ComparedRun): string {
  return `${workflowId} (run ${runId}, ${workflowType}, ${status}, ${events} events)`;
}

function placesOf({ sameType, sameArguments, sameOutcome, firstDivergence, context }: RunDiff): string {
  const places = [
    ...(sameType ? [] : ['workflow type']),
    ...(sameArguments ? [] : ['arguments']),
    ...(firstDivergence === undefined ? [] : ['calls and messages']),
    ...(sameOutcome ? [] : ['outcome']),
    ...(context.length === 0 ? [] : ['context']),
  ];
  return places.join(', ');
}

const verdictColors: Record<RunDiffItem['verdict'], Color> = {
  same: 'gray',
  differs: 'yellow',
  missing: 'red',
  extra: 'green',
};

function itemsText({ items, firstDivergence }: RunDiff, limit: number): string {
  const first = firstDivergence?.index;
  const from = items.length <= limit || first === undefined ? 0 : Math.max(0, first - itemsBefore);
  const shown = items.slice(from, from + limit);
  const rows = shown.map((item, index) => [
    from + index === first ? '>' : '',
    item.verdict,
    item.a === undefined ? null : String(item.a.seq),
    item.b === undefined ? null : String(item.b.seq),
    [item.kind, item.name, item.id ?? ''].filter((part) => part !== '').join(' '),
    item.a?.outcome ?? null,
    item.b?.outcome ?? null,
    item.differences.join(', '),
  ]);
  const columns = ['', 'verdict', 'a', 'b', 'item', 'outcome in a', 'outcome in b', 'differs in'];
  const [names, line, ...body] = formatTable(columns, rows, new Set([2, 3])).split('\n');
  const painted = body.map((text, index) => colored(verdictColors[shown[index]!.verdict], text));
  const left = items.length - shown.length;
  const more = left === 0 ? [] : [`${left} more items; use --items all for all of them`];
  return [names, line, ...painted, ...more].join('\n');
}

function divergenceText({ items, firstDivergence }: RunDiff): string[] {
  if (firstDivergence === undefined) return [];
  const { a, b, index } = firstDivergence;
  const { kind, name, a: left, b: right } = items[index]!;
  const lines = (side: 'a' | 'b', values: typeof a, at: typeof left): string[] => {
    if (values === undefined || at === undefined) return [`  ${side}  has no such item`];
    return [
      `  ${side}  input   ${valueText(values.input)}  (${at.input.slice(0, 12)})`,
      `     result  ${valueText(values.result)}  (${at.result.slice(0, 12)})`,
    ];
  };
  const title = colored('bold', `First divergence: ${[kind, name].filter((part) => part !== '').join(' ')}`);
  return [[title, ...lines('a', a, left), ...lines('b', b, right)].join('\n')];
}

function outcomeText({ a, b, sameOutcome }: RunDiff): string[] {
  if (sameOutcome) return [];
  return [`Outcome\n  a  ${a.status}  ${valueText(a.outcome)}\n  b  ${b.status}  ${valueText(b.outcome)}`];
}

function contextText({ context }: RunDiff): string[] {
  if (context.length === 0) return [];
  const lines = context.slice(0, operationsMax).map((op) => `  ${valueText(op)}`);
  const left = context.length - lines.length;
  return [
    ['Context, from a to b', ...lines, ...(left === 0 ? [] : [`  … and ${left} more (--json has all)`])].join('\n'),
  ];
}

function valueText(value: unknown): string {
  const text = value === undefined ? '-' : jsonText(value);
  return text.length <= valueChars ? text : `${text.slice(0, valueChars - 1)}…`;
}
