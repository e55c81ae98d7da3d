// Formats text output of commands as aligned columns.

export type Cell = string | null;

/** Columns whose index is in `right` are aligned right, as numbers are. */
export function formatTable(
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
  right: ReadonlySet<number> = new Set(),
): string {
  const lines = rows.map((row) => row.map((cell) => (cell ?? '').replaceAll('\n', '\\n')));
  const widths = columns.map((name, index) =>
    lines.reduce((max, line) => Math.max(max, line[index]?.length ?? 0), name.length),
  );
  const format = (cells: readonly string[], alignRight: boolean): string =>
    cells
      .map((cell, index) =>
        alignRight && right.has(index) ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0),
      )
      .join(' | ')
      .trimEnd();
  return [
    format(columns, false),
    widths.map((width) => '-'.repeat(width)).join('-+-'),
    ...lines.map((line) => format(line, true)),
  ].join('\n');
}

export function countRows(count: number): string {
  return `(${countOf(count, 'row')})`;
}

/** A number with its noun: 1 row, 2 rows. `plural`: for a noun that does not just take an s. */
export function countOf(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
