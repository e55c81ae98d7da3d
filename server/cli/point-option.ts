// Options that name points in a run's history. A time is resolved once, and the command says which absolute time it took,
// on standard error, so that --json stays clean.
import { type Command, Option } from 'commander';
import { exactTime, pastTime, zonedTime } from '../../runtime/core/options/past-time.ts';
import { pointOf } from '../../runtime/replay/context/history-point.ts';
import type { StatePoint } from '../../sdk/client.ts';

export interface ZoneOption {
  utc?: boolean;
}

export const pointHelp =
  'a seq, type#n such as validate#1, checkpoint:NAME, event:ACTIVITY-ID, or a time such as 2026-01-31T12:00:00Z, 14:03 or "5 min ago"';

const namesItsZone = /\d(?:Z|[+-]\d\d(?::?\d\d)?)$/i;

export function withZone(command: Command): Command {
  return command.addOption(new Option('--utc', 'times without a zone are in UTC instead of the zone of this machine'));
}

/** The point that an option names; the end of the log without a text. @throws INVALID_INPUT */
export function readPoint(text: string | undefined, { utc }: ZoneOption): StatePoint {
  if (text === undefined) return {};
  const point = pointOf(text);
  return point.time === undefined ? point : { time: readTime(text, { utc: utc === true }) };
}

/** The exact time in ISO 8601. @throws INVALID_INPUT */
export function readTime(text: string, { utc }: ZoneOption): string {
  const zone = utc === true ? 'utc' : 'local';
  const micros = pastTime('The time', text, { now: Date.now(), zone });
  if (!namesItsZone.test(text)) console.error(`"${text}" is ${zonedTime(new Date(Math.floor(micros / 1000)), zone)}`);
  return exactTime(micros);
}
