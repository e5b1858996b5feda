/** Samples of many devices as cells: one row per series, one column per slice of time. */
import type { PanelData, Series } from '../data/panelData';
import { lowerBound } from '../data/panelData';
import type { Range } from './extent';

/** A sample holds until the next one, unless that is this many times farther than usual. */
const GAP = 4;

export interface Cells {
  columns: number;
  /** Row by row; NaN where nothing was sampled. */
  values: Float64Array;
}

/** The mean of each cell; the cells of a row are equally wide parts of the range. */
export function heatCells(rows: readonly Series[], [from, to]: Readonly<Range>, columns: number): Cells {
  const sums = new Float64Array(rows.length * columns);
  const weights = new Float64Array(rows.length * columns);
  const width = (to - from) / columns;
  rows.forEach(({ track }, row) => {
    const [xs, ys] = [track.x, track.kind === 'raw' ? track.y : track.mean];
    const usual = usualDistance(xs);
    for (let i = Math.max(0, lowerBound(xs, from) - 1); i < xs.length && (xs[i] as number) <= to; i++) {
      const [x, y] = [xs[i] as number, ys[i] as number];
      const next = xs[i + 1] ?? Infinity;
      const end = next - x > usual * GAP ? x + usual : next;
      const first = Math.max(0, Math.floor((x - from) / width));
      const last = Math.min(columns - 1, Math.max(first, Math.ceil((end - from) / width) - 1));
      if (!Number.isFinite(y) || (end <= from && x < from)) continue;
      for (let column = first; column <= last; column++) {
        const edge = from + column * width;
        const part = Math.max(Math.min(end, edge + width) - Math.max(x, edge), width * 1e-6);
        const cell = row * columns + column;
        sums[cell] = (sums[cell] as number) + y * part;
        weights[cell] = (weights[cell] as number) + part;
      }
    }
  });
  return { columns, values: sums.map((sum, cell) => sum / (weights[cell] as number)) };
}

/** The median distance of neighbours; 0 for less than two. */
function usualDistance(xs: Float64Array): number {
  if (xs.length < 2) return 0;
  const distances = Float64Array.from(
    { length: xs.length - 1 },
    (_, i) => (xs[i + 1] as number) - (xs[i] as number),
  );
  distances.sort();
  return distances[distances.length >> 1] as number;
}

/** The series in the order of their names, and of the labels of each. */
export function heatRows(data: PanelData, names: readonly string[]): Series[] {
  const places = new Map(names.map((name, place) => [name, place]));
  const placeOf = ({ meta }: Series) => places.get(meta.metric) ?? names.length;
  const byLabel = (a: Series, b: Series) => a.meta.label.localeCompare(b.meta.label, 'en', { numeric: true });
  return [...data.series].sort((a, b) => byLabel(a, b) || placeOf(a) - placeOf(b));
}
