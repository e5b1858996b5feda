/** What the crosshair reads from a chart: logged values and bucket figures, never interpolated ones. */
import type { PanelData, Series } from '../data/panelData';
import { lowerBound, trackLength } from '../data/panelData';
import { flagsOf } from './extent';

export interface Reading {
  series: Series;
  /** Row of the series' track. */
  row: number;
  x: number;
  /** The value of a logged point, the mean of a bucket; NaN or infinite when that is what was logged. */
  value: number;
  min: number;
  max: number;
  last: number;
  n: number;
  flags: number;
  /** Bucket edges [from, to), or null for a logged point. */
  bucket: [number, number] | null;
}

/** The row nearest to x, or -1 when the nearest is farther than `reach`. */
export function nearestRow(data: PanelData, series: Series, x: number, reach: number): number {
  const { track } = series;
  const count = trackLength(track);
  if (count === 0) return -1;
  const at = (row: number) => track.x[row] as number;
  const right = Math.min(count - 1, lowerBound(track.x, x));
  const left = Math.max(0, right - 1);
  const best = Math.abs(at(left) - x) <= Math.abs(at(right) - x) ? left : right;
  return Math.abs(at(best) - x) <= Math.max(reach, track.kind === 'raw' ? 0 : data.header.dx) ? best : -1;
}

function readRow(data: PanelData, series: Series, row: number): Reading {
  const { track } = series;
  if (track.kind === 'raw') {
    const [x, value] = [track.x[row] as number, track.y[row] as number];
    const flags = flagsOf(value);
    return {
      series,
      row,
      x,
      value,
      min: value,
      max: value,
      last: value,
      n: flags ? 0 : 1,
      flags,
      bucket: null,
    };
  }
  const { x0, dx } = data.header;
  const bucket = track.b[row] as number;
  const n = track.n[row] as number;
  const flags = (track.fl[row] as number) & 7;
  return {
    series,
    row,
    x: track.x[row] as number,
    value: n ? (track.mean[row] as number) : NaN,
    min: track.min[row] as number,
    max: track.max[row] as number,
    last: track.last[row] as number,
    n,
    flags,
    bucket: dx > 1 ? [x0 + bucket * dx, x0 + (bucket + 1) * dx] : null,
  };
}

/**
 * The readings nearest to x, greatest value first; NaN and infinities last. Series whose nearest point is
 * farther than `reach` (in x units) are left out.
 */
export function readAt(data: PanelData, x: number, reach: number): Reading[] {
  const readings: Reading[] = [];
  for (const series of data.series) {
    const row = nearestRow(data, series, x, reach);
    if (row >= 0) readings.push(readRow(data, series, row));
  }
  const rank = (value: number) => (Number.isFinite(value) ? value : -Infinity);
  return readings.sort((a, b) => rank(b.value) - rank(a.value) || a.series.meta.i - b.series.meta.i);
}

/** Where something was logged: the reading's own x, of a bucket the last one that it may hold. */
export const lastX = ({ x, bucket }: Reading, unit: string): number =>
  bucket && unit === 'step' ? bucket[1] - 1 : x;

/** The x of the next row of any series to the right (or left) of x; null at the end. */
export function stepX(data: PanelData, x: number, direction: 1 | -1): number | null {
  let best: number | null = null;
  for (const { track } of data.series) {
    const at = (row: number) => track.x[row] as number;
    let row = lowerBound(track.x, x) + (direction > 0 ? 0 : -1);
    while (row >= 0 && row < track.x.length && (at(row) - x) * direction <= 0) row += direction;
    if (row < 0 || row >= track.x.length) continue;
    if (best === null || (at(row) - best) * direction < 0) best = at(row);
  }
  return best;
}
