// Times in visibility queries: ISO 8601. A date alone means the start of that day, and a time without a zone is in UTC.
// Pure.

const pattern = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

export interface QueryTime {
  /** In the format of Date.toISOString, with ms. */
  readonly iso: string;
  /** For Postgres, with µs. */
  readonly micros: string;
}

/** Undefined for anything except a time in the years 1 to 9999. */
export function queryTime(value: unknown): QueryTime | undefined {
  const match = typeof value === 'string' ? pattern.exec(value.trim()) : null;
  if (match === null) return undefined;
  const [, date, time = '00:00', fraction = '', zone = 'Z'] = match;
  const digits = fraction.padEnd(6, '0');
  const seconds = time.length === 5 ? `${time}:00` : time;
  const at = Date.parse(`${date}T${seconds}.${digits.slice(0, 3)}${zoneText(zone)}`);
  // V8 accepts 30 February, so the date is checked.
  if (!Number.isFinite(at) || !new Date(`${date}T00:00:00Z`).toISOString().startsWith(date!)) return undefined;
  const iso = new Date(at).toISOString();
  if (iso.length !== 24 || iso < '0001') return undefined;
  return { iso, micros: `${iso.slice(0, -1)}${digits.slice(3, 6)}Z` };
}

function zoneText(zone: string): string {
  if (zone.toUpperCase() === 'Z') return 'Z';
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0');
  return `${zone[0]}${digits.slice(0, 2)}:${digits.slice(2)}`;
}
