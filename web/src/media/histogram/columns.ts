/** Histograms over steps, as the server merges them: one column after another. */
import type { HistogramAnswer, WireNumber } from '../../data/media';

export const PERCENTILES = ['p01', 'p25', 'p50', 'p75', 'p99'] as const;

export interface Column {
  /** The first and the last step that is merged in it. */
  step: number;
  last: number;
  merged: number;
  /** One more than counts, ascending. */
  edges: number[];
  counts: number[];
  /** Of all counts. */
  sum: number;
  nan: number;
  inf: number;
  negInf: number;
  /** As {@link PERCENTILES}; NaN without finite values. */
  percentiles: number[];
}
export interface HistogramRun {
  run: string;
  label: string;
  /** Values of the key that are no histograms. */
  skipped: number;
  columns: Column[];
}

const numberOf = (value: WireNumber | undefined): number =>
  typeof value === 'number'
    ? value
    : value === 'Infinity'
      ? Infinity
      : value === '-Infinity'
        ? -Infinity
        : NaN;

export function runsOf({ series, columns }: HistogramAnswer): HistogramRun[] {
  const runs = new Map<number, HistogramRun>(
    series.map(({ i, run, label, skipped }) => [i, { run, label, skipped, columns: [] }]),
  );
  columns.s.forEach((s, i) => {
    const counts = (columns.counts[i] ?? []).map(numberOf);
    runs.get(s)?.columns.push({
      step: columns.step[i] as number,
      last: columns.last[i] as number,
      merged: columns.merged[i] as number,
      edges: (columns.edges[i] ?? []).map(numberOf),
      counts,
      sum: counts.reduce((a, b) => a + b, 0),
      nan: columns.nan[i] ?? 0,
      inf: columns.inf[i] ?? 0,
      negInf: columns.neg_inf[i] ?? 0,
      percentiles: PERCENTILES.map((name) => numberOf(columns[name][i])),
    });
  });
  return [...runs.values()];
}

/** The range of all edges; null when nothing is finite. */
export function valueRange(runs: readonly HistogramRun[]): [number, number] | null {
  let [low, high] = [Infinity, -Infinity];
  for (const { columns } of runs)
    for (const { edges } of columns) {
      low = Math.min(low, edges[0] ?? Infinity);
      high = Math.max(high, edges.at(-1) ?? -Infinity);
    }
  if (!Number.isFinite(low) || !Number.isFinite(high)) return null;
  const pad = Math.abs(low) * 1e-3 || 0.5;
  if (high > low) return [low, high];
  return [Math.max(low - pad, -Number.MAX_VALUE), Math.min(high + pad, Number.MAX_VALUE)];
}

/** How dense its counts are at most, over all: what the darkest colour stands for. */
export function mostDense(runs: readonly HistogramRun[]): number {
  let most = 0;
  for (const { columns } of runs)
    for (const column of columns)
      for (let bin = 0; bin < column.counts.length; bin++) most = Math.max(most, densityOf(column, bin));
  return most;
}

/** The share of all values of a column per unit, of one bin. */
export function densityOf({ counts, edges, sum }: Column, bin: number): number {
  // The width of the widest bin is no finite number, half of it is; of the least float half is nothing.
  const [low, high] = [edges[bin] as number, edges[bin + 1] as number];
  const part = Number.isFinite(high - low) ? 1 : 0.5;
  const width = high * part - low * part;
  return width > 0 && sum > 0 ? ((counts[bin] as number) / sum / width) * part : 0;
}

/** The last column that begins at a step or before it; the first when there is none. */
export function columnAt(columns: readonly Column[], step: number): Column | null {
  let found = columns[0] ?? null;
  for (const column of columns) {
    if (column.step > step) break;
    found = column;
  }
  return found;
}

/** The bin that a value is in; -1 beside all. */
export function binAt({ edges }: Column, value: number): number {
  if (edges.length < 2 || value < (edges[0] as number) || value > (edges.at(-1) as number)) return -1;
  const next = edges.findIndex((edge) => edge > value);
  return next < 0 ? edges.length - 2 : next - 1;
}
