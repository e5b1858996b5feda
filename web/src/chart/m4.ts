/**
 * Lines from buckets (M4: first, min, max and last of each bucket in the order they came, so that the drawn
 * line covers every pixel that the full data would) and from logged values. Pure: draws with whatever pen.
 */
import type { BucketGrid, BucketTrack, RawTrack } from '../data/panelData';
import { lowerBound } from '../data/panelData';

/** The part of CanvasRenderingContext2D and Path2D that a line needs. */
export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

/** Maps data to pixels. `y` must return a finite pixel for every finite value. */
export interface Mapping {
  x: (value: number) => number;
  y: (value: number) => number;
}

/**
 * How many buckets may lie between two filled ones before the line breaks: four times the usual distance, so
 * that a key logged each tenth step is a line and a pause in a dense one is a gap.
 */
export function gapLimit(buckets: Float64Array): number {
  if (buckets.length < 2) return 1;
  const distances = new Float64Array(buckets.length - 1);
  for (let i = 0; i < distances.length; i++)
    distances[i] = (buckets[i + 1] as number) - (buckets[i] as number);
  distances.sort();
  const usual = distances[distances.length >> 1] as number;
  return usual === 1 ? 4 : usual * 4;
}

/** Pixel positions of points that no line touches: x, y, x, y, … */
export type Dots = number[];

interface Traced {
  /** Exact outline: the M4 strokes. */
  envelope: Pen;
  /** The line of the means; the caller draws it stronger. */
  line: Pen;
}

/** Rows of a track that touch [from, to], with one more on each side so that lines leave the plot. */
function windowOf(xs: Float64Array, from: number, to: number): [number, number] {
  const first = Math.max(0, lowerBound(xs, from) - 1);
  const last = Math.min(xs.length, lowerBound(xs, to) + 2);
  return [first, last];
}

/**
 * The rows that a line joins, stretch by stretch: a bucket without finite values, or a distance over the gap
 * limit, ends one.
 */
function stretchesOf(
  track: BucketTrack,
  grid: BucketGrid,
  [from, to]: readonly [number, number],
): number[][] {
  const limit = gapLimit(track.b);
  const [start, end] = windowOf(track.b, Math.floor((from - grid.x0) / grid.dx), (to - grid.x0) / grid.dx);
  const stretches: number[][] = [];
  let previous = -Infinity;
  for (let row = start; row < end; row++) {
    const bucket = track.b[row] as number;
    if (track.n[row] === 0) {
      previous = -Infinity;
      continue;
    }
    if (bucket - previous > limit) stretches.push([]);
    (stretches.at(-1) as number[]).push(row);
    previous = bucket;
  }
  return stretches;
}

/** Traces the line of the means. Returns the buckets that stand alone. */
function traceMeans(track: BucketTrack, stretches: readonly number[][], map: Mapping, pen: Pen): Dots {
  const dots: Dots = [];
  for (const rows of stretches) {
    rows.forEach((row, i) => {
      const [x, y] = [map.x(track.x[row] as number), map.y(track.mean[row] as number)];
      if (i === 0) pen.moveTo(x, y);
      else pen.lineTo(x, y);
      if (rows.length === 1) dots.push(x, y);
    });
  }
  return dots;
}

/** Traces the buckets that touch x in `range`. Returns those that stand alone. */
export function traceBuckets(
  track: BucketTrack,
  grid: BucketGrid,
  range: readonly [number, number],
  map: Mapping,
  pens: Traced,
): Dots {
  const stretches = stretchesOf(track, grid, range);
  for (const rows of stretches) {
    rows.forEach((row, i) => {
      const x = map.x(track.x[row] as number);
      const low = map.y(track.min[row] as number);
      const high = map.y(track.max[row] as number);
      const first = map.y(track.first[row] as number);
      if (i === 0) pens.envelope.moveTo(x, first);
      else pens.envelope.lineTo(x, first);
      const maxFirst = track.ff[row] === 1;
      pens.envelope.lineTo(x, maxFirst ? high : low);
      pens.envelope.lineTo(x, maxFirst ? low : high);
      pens.envelope.lineTo(x, map.y(track.last[row] as number));
    });
  }
  return traceMeans(track, stretches, map, pens.line);
}

/** Traces a group: its range as closed outlines, one a stretch, and the line of its means. */
export function traceGroup(
  track: BucketTrack,
  grid: BucketGrid,
  range: readonly [number, number],
  map: Mapping,
  pens: { band: Pen; line: Pen },
): Dots {
  const stretches = stretchesOf(track, grid, range);
  for (const rows of stretches) {
    const edge = (row: number, side: 'min' | 'max') =>
      [map.x(track.x[row] as number), map.y(track[side][row] as number)] as const;
    rows.forEach((row, i) => {
      if (i === 0) pens.band.moveTo(...edge(row, 'max'));
      else pens.band.lineTo(...edge(row, 'max'));
    });
    for (let i = rows.length - 1; i >= 0; i--) pens.band.lineTo(...edge(rows[i] as number, 'min'));
    pens.band.lineTo(...edge(rows[0] as number, 'max'));
  }
  return traceMeans(track, stretches, map, pens.line);
}

/** Traces logged values that touch x in [from, to]; NaN and infinities break the line. */
export function traceRaw(
  track: RawTrack,
  [from, to]: readonly [number, number],
  map: Mapping,
  pen: Pen,
): { alone: Dots; all: Dots } {
  const [start, end] = windowOf(track.x, from, to);
  const all: Dots = [];
  const alone: Dots = [];
  let run = 0;
  for (let i = start; i <= end; i++) {
    const value = i < end ? (track.y[i] as number) : NaN;
    if (!Number.isFinite(value)) {
      if (run === 1) alone.push(...all.slice(-2));
      run = 0;
      continue;
    }
    const x = map.x(track.x[i] as number);
    const y = map.y(value);
    if (run++ === 0) pen.moveTo(x, y);
    else pen.lineTo(x, y);
    all.push(x, y);
  }
  return { alone, all };
}
