// Cron schedules of workflows: computes when the next run of a chain is due. Pure: the caller passes the time.
// Source: the forms of Temporal's cronSchedule: five fields, @hourly and the like, @every, with an optional CRON_TZ=
// prefix.
import { Cron } from 'croner';
import { durationMs } from './duration.ts';

const zonePrefix = /^(?:CRON_TZ|TZ)=(\S+)\s+/;
const every = /^@every\s+(\S+)$/;
const goUnits = /^(?:\d+(?:\.\d+)?(?:h|m|s|ms))+$/;

/**
 * The first due time after `afterMs`, in ms since 1970; undefined when there is none.
 * @throws TypeError that names what is wrong with the schedule
 */
export function nextCronTime(schedule: string, afterMs: number): number | undefined {
  const zone = zonePrefix.exec(schedule);
  const fields = schedule.slice(zone?.[0].length ?? 0).trim();
  const interval = every.exec(fields)?.[1];
  if (interval !== undefined) return nextMultiple(schedule, interval, afterMs);
  try {
    const cron = new Cron(fields, { timezone: zone?.[1] ?? 'UTC', mode: '5-part', paused: true });
    return cron.nextRun(new Date(afterMs))?.getTime();
  } catch (cause) {
    throw invalid(schedule, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** The next whole multiple of the interval since 1970, so that all runs of a schedule have the same phase. */
function nextMultiple(schedule: string, interval: string, afterMs: number): number {
  if (!goUnits.test(interval)) throw invalid(schedule, `"${interval}" is not an interval such as 1h30m`);
  let ms = 0;
  for (const [part] of interval.matchAll(/\d+(?:\.\d+)?(?:ms|h|m|s)/g)) ms += durationMs(part as `${number}s`);
  if (ms < 1000) throw invalid(schedule, 'an interval must be at least one second');
  return (Math.floor(afterMs / ms) + 1) * ms;
}

function invalid(schedule: string, problem: string, cause?: unknown): TypeError {
  return new TypeError(
    `Invalid cron schedule '${schedule}': ${problem.replace(/\.$/, '')}. Expected five fields (minute hour day month weekday), ` +
      "@hourly, @daily, @weekly, @monthly, @yearly or '@every 1h', with the prefix CRON_TZ=<zone> if it is not UTC",
    { cause },
  );
}
