// The input: 344 penguins of the Palmer archipelago, from the npm package `vega-datasets`, as published.
import { readFileSync } from 'node:fs';
import type { Penguin } from './model.ts';

interface Row {
  readonly Species: string;
  readonly 'Beak Length (mm)': number | null;
  readonly 'Beak Depth (mm)': number | null;
  readonly 'Flipper Length (mm)': number | null;
  readonly 'Body Mass (g)': number | null;
}

export function readPenguins(): Penguin[] {
  const file = new URL('../data/penguins.json', import.meta.resolve('vega-datasets'));
  const rows = JSON.parse(readFileSync(file, 'utf8')) as Row[];
  return rows.map((row) => ({
    species: row.Species,
    measures: [row['Beak Length (mm)'], row['Beak Depth (mm)'], row['Flipper Length (mm)'], row['Body Mass (g)']],
  }));
}
