// The data and the mathematics of the pipeline: global temperatures and CO2 as published in the npm package
// `vega-datasets`. Pure but for reading these two files.
import { readFileSync } from 'node:fs';

export interface Measurements {
  /** Year and deviation from the mean of 1951 to 1980, in °C. */
  readonly temperatures: readonly (readonly [year: number, deviation: number])[];
  /** Month as in 1958-03-01 and CO2 at Mauna Loa, in ppm. */
  readonly co2: readonly (readonly [month: string, ppm: number])[];
}

export interface Year {
  readonly year: number;
  readonly deviation: number;
  /** Mean of the months. */
  readonly ppm: number;
}

export interface Analysis {
  readonly years: number;
  /** Warming per 100 ppm of CO2, in °C, by linear regression. */
  readonly per100ppm: number;
  /** Share of the variance that the line explains. */
  readonly r2: number;
}

export function readMeasurements(): Measurements {
  return {
    temperatures: rows('global-temp.csv').map(([year = '', deviation = '']) => [Number(year), Number(deviation)]),
    co2: rows('co2-concentration.csv').map(([month = '', ppm = '']) => [month, Number(ppm)]),
  };
}

/** The years that both files have, with all twelve months. */
export function joined({ temperatures, co2 }: Measurements): Year[] {
  return temperatures.flatMap(([year, deviation]) => {
    const months = co2.filter(([month]) => month.startsWith(`${year}-`)).map(([, ppm]) => ppm);
    return months.length === 12 ? [{ year, deviation, ppm: mean(months) }] : [];
  });
}

export function analysisOf(years: readonly Year[]): Analysis {
  const meanPpm = mean(years.map(({ ppm }) => ppm));
  const meanDeviation = mean(years.map(({ deviation }) => deviation));
  const sum = (of: (year: Year) => number): number => years.reduce((total, year) => total + of(year), 0);
  const together = sum(({ ppm, deviation }) => (ppm - meanPpm) * (deviation - meanDeviation));
  const ofPpm = sum(({ ppm }) => (ppm - meanPpm) ** 2);
  const ofDeviation = sum(({ deviation }) => (deviation - meanDeviation) ** 2);
  return { years: years.length, per100ppm: (100 * together) / ofPpm, r2: together ** 2 / (ofPpm * ofDeviation) };
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}

function rows(file: string): string[][] {
  const text = readFileSync(new URL(`../data/${file}`, import.meta.resolve('vega-datasets')), 'utf8');
  const lines = text.trimEnd().split(/\r?\n/).slice(1);
  return lines.map((line) => line.split(','));
}
