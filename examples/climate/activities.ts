// The stages of the pipeline. Each execution writes its name into a file outside the database, so that the program can
// count what was really executed.
import { appendFileSync } from 'node:fs';
import { type Analysis, analysisOf, joined, type Measurements, readMeasurements, type Year } from './climate.ts';

/** File of the executions; set by main.ts for its workers. */
export const executionFileVariable = 'CLIMATE_EXECUTION_FILE';
/** Set while the system that computes the analysis is broken. */
export const outageVariable = 'CLIMATE_OUTAGE';

export async function ingest(): Promise<Measurements> {
  executed('ingest');
  return readMeasurements();
}

export async function preprocess(measurements: Measurements): Promise<Year[]> {
  executed('preprocess');
  return joined(measurements);
}

export async function analyze(years: Year[]): Promise<Analysis> {
  executed('analyze');
  if (process.env[outageVariable] !== undefined) throw new Error('analysis interrupted: simulated system failure');
  return analysisOf(years);
}

export async function report({ years, per100ppm, r2 }: Analysis, reviewer: string): Promise<string> {
  executed('report');
  const warming = `${per100ppm.toFixed(2)} °C per 100 ppm of CO2`;
  return `${warming}, ${(r2 * 100).toFixed(0)} % of the variance of ${years} years; reviewed by ${reviewer}`;
}

function executed(stage: string): void {
  const file = process.env[executionFileVariable];
  if (file !== undefined) appendFileSync(file, `${stage}\n`);
}
