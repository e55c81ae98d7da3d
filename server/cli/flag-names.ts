// Error texts of the client name its options. On the command line they get the names of the flags.

const spellings: readonly (readonly [RegExp, string | ((whole: string, list: string) => string)])[] = [
  [/\ballowEffects: (\[[^\]]*\])/g, (_, list) => `--allow-effects ${(JSON.parse(list) as string[]).join(',')}`],
  [/\btoSeq or checkpoint\b/g, '--to-seq or --checkpoint'],
  [/\btoSeq and checkpoint\b/g, '--to-seq and --checkpoint'],
  [/\bto and (toSeq|checkpoint)\b/g, '--to and $1'],
  [/(?<![-\w.])toSeq\b/g, '--to-seq'],
  [/(?<![-\w.])executionTimeout\b/g, '--execution-timeout'],
  [/(?<![-\w.])requestId\b/g, '--request-id'],
  [/\bPass force\b/g, 'Pass --force'],
  [/\bwith activity\./g, 'with --activity.'],
];

export function inFlags(message: string): string {
  let text = message;
  for (const [pattern, flag] of spellings) {
    text = typeof flag === 'string' ? text.replace(pattern, flag) : text.replace(pattern, flag);
  }
  return text;
}
