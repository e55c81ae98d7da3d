// The 50,000 records as published: FAA bird strikes and US ZIP codes from the npm package `vega-datasets`. Every cell
// has the text of the file. Nothing is repaired here.
import { readFileSync } from 'node:fs';

export const recordsMax = 50_000;

/**
 * The columns of birdstrikes.csv, in the file's order. Costs are in US dollars; speed is indicated airspeed in knots.
 */
const strikeFields = [
  'airport',
  'aircraft',
  'damage',
  'date',
  'operator',
  'state',
  'phase',
  'size',
  'species',
  'timeOfDay',
  'costOther',
  'costRepair',
  'costTotal',
  'speed',
] as const;

/** The columns of zipcodes.csv, in the file's order. Coordinates are in degrees (WGS 84). */
const zipFields = ['zip', 'latitude', 'longitude', 'city', 'state', 'county'] as const;

type StrikeField = (typeof strikeFields)[number];
type ZipField = (typeof zipFields)[number];
export type Field = StrikeField | ZipField;

/** Null: the value is known to be missing. */
export type Cell = string | null;

/** An incident that a pilot, a mechanic or an airport reported to the FAA between 1990 and 2002. */
export type Strike = Readonly<Record<StrikeField, Cell>> & { readonly id: string; readonly kind: 'strike' };

export type ZipCode = Readonly<Record<ZipField, Cell>> & {
  readonly id: string;
  readonly kind: 'zip';
  /** Number of different cities that have exactly these coordinates in the file. */
  readonly citiesAtPoint: number;
};

export type WarehouseRecord = Strike | ZipCode;

/**
 * All records. Every fifth record is a bird strike (10,000 in all), so the first n records are a fair sample. The
 * others are the last 40,000 ZIP codes: the last ones, because the ZIP codes of the Pacific are at the end of the file.
 */
export function loadRecords(): WarehouseRecord[] {
  const strikes = readCsv('birdstrikes.csv', strikeFields).map(
    (cells, index): Strike => ({ id: `strike-${String(index + 1).padStart(5, '0')}`, kind: 'strike', ...cells }),
  );
  const zipCodes = toZipCodes(readCsv('zipcodes.csv', zipFields)).slice(-40_000);
  return strikes.flatMap((strike, index) => [strike, ...zipCodes.slice(index * 4, index * 4 + 4)]);
}

function toZipCodes(rows: Record<ZipField, string>[]): ZipCode[] {
  const pointOf = (row: Record<ZipField, string>) => `${row.latitude} ${row.longitude}`;
  const cities = new Map<string, Set<string>>();
  for (const row of rows) cities.set(pointOf(row), (cities.get(pointOf(row)) ?? new Set()).add(row.city));
  return rows.map((row) => ({
    id: `zip-${row.zip}`,
    kind: 'zip',
    ...row,
    citiesAtPoint: cities.get(pointOf(row))?.size ?? 0,
  }));
}

/** Rows by field name. Neither file has quoted cells. A quoted cell throws, because it would be misread. */
function readCsv<F extends string>(file: string, fields: readonly F[]): Record<F, string>[] {
  const text = readFileSync(new URL(`../data/${file}`, import.meta.resolve('vega-datasets')), 'utf8');
  if (text.includes('"')) throw new Error(`${file} has quoted cells: read it with a CSV library.`);
  const lines = text.trimEnd().split(/\r?\n/).slice(1);
  return lines.map((line) => {
    const cells = line.split(',');
    if (cells.length !== fields.length) throw new Error(`${file}: expected ${fields.length} cells, got "${line}".`);
    return Object.fromEntries(fields.map((field, column) => [field, cells[column]])) as Record<F, string>;
  });
}
