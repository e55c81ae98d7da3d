// Which options of `reprise replay` belong together. An option that would have no effect is refused, because a replay that
// ignores it would pass for the wrong reason.
import type { Command } from 'commander';

/** Options that PATCH_ONLY and LIVE_TOOLS lack. */
const ofCode = ['code', 'preloadModule', 'ignoreModule', 'onDivergence', 'onMissing', 'inspect', 'breakAt'];
const ofLive = ['live', 'result', 'allowEffects', 'realTime', 'keep', 'yes'];
const ofOneRun = ['run', 'runBundledCode', 'from', 'to', 'utc', 'mock', 'onMissing', 'inspect', 'breakAt', 'output'];
const ofOneLiveRun = ['run', 'runBundledCode', 'keep', 'output'];
const ofManyRuns = ['since', 'type', 'taskQueue', 'query', 'sample', 'parallel', 'junit', 'report', 'allowEmpty'];
const notOfLive = [...ofCode, 'to', 'utc', 'open', 'junit', 'allowEmpty'];

/** Undefined for valid usage, else what is wrong with it. */
export function usageFault(command: Command, workflowId: string | undefined): string | undefined {
  const given = (names: readonly string[]): string[] =>
    command.options
      .filter((option) => {
        const name = option.attributeName();
        return names.includes(name) && command.getOptionValueSource(name) === 'cli';
      })
      .map((option) => option.long ?? option.flags);
  const isGiven = (name: string): boolean => given([name]).length > 0;
  const isMany = isGiven('all') || isGiven('open');
  if ([workflowId !== undefined, isGiven('file'), isMany].filter(Boolean).length !== 1) {
    return 'replay needs one of these: a workflow id, --file, or --all or --open.';
  }
  const { mode } = command.opts<{ mode?: string }>();
  const isLive = mode === 'LIVE_TOOLS';
  if (mode === 'PATCH_ONLY' && isMany) return '--all and --open run code, which PATCH_ONLY does not. Leave out --mode.';
  const idle = (names: readonly string[], where: string): string | undefined => {
    const found = given(names);
    return found.length === 0 ? undefined : `${found.join(', ')} would have no effect ${where}.`;
  };
  const ofMode = isLive
    ? idle(notOfLive, 'with LIVE_TOOLS')
    : (idle(ofLive, 'without --mode LIVE_TOOLS') ??
      (mode === 'PATCH_ONLY'
        ? idle(
            [...ofCode, 'mock', 'runBundledCode'],
            'with PATCH_ONLY, which runs no code; leave out --mode, which is MOCK_TOOLS then',
          )
        : undefined));
  if (ofMode !== undefined) return ofMode;
  const misplaced = isMany
    ? idle(isLive ? ofOneLiveRun : ofOneRun, 'on many runs')
    : idle(
        isLive ? ofManyRuns.filter((name) => name !== 'sample') : ofManyRuns,
        'on one run; they are for --all and --open',
      );
  if (misplaced !== undefined) return misplaced;
  if (isGiven('breakAt') && !isGiven('inspect')) return '--break-at needs --inspect, which opens the debugger.';
  if (isGiven('runBundledCode') && !isGiven('file')) return '--run-bundled-code needs --file.';
  return isGiven('file') && isGiven('run') ? '--run and --file exclude each other: a file holds one run.' : undefined;
}
