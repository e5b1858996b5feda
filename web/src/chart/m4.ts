/**
 * Lines from buckets (M4: first, min, max and last of each bucket in the order they came, so that the drawn
 * line covers every pixel that the full data would) and from logged values. Pure: draws with whatever pen.
 */
import type { BucketTrack, RawTrack } from '../data/panelData';
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

export interface BucketGrid {
  x0: number;
  dx: number;
}

/** The x at which a bucket is drawn: exact for buckets of one step, else the middle of its whole values. */
export function bucketX(grid: BucketGrid, bucket: number): number {
  return grid.x0 + bucket * grid.dx + Math.max(0, grid.dx - 1) / 2;
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
 * Traces the buckets that touch x in [from, to]. A bucket without finite values, or a distance over the gap
 * limit, breaks both lines. Returns the buckets that stand alone.
 */
export function traceBuckets(
  track: BucketTrack,
  grid: BucketGrid,
  [from, to]: readonly [number, number],
  map: Mapping,
  pens: Traced,
): Dots {
  const limit = gapLimit(track.b);
  const [start, end] = windowOf(track.b, Math.floor((from - grid.x0) / grid.dx), (to - grid.x0) / grid.dx);
  const dots: Dots = [];
  let previous = -Infinity;
  let alone: [number, number] | null = null;
  for (let i = start; i < end; i++) {
    const bucket = track.b[i] as number;
    if (track.n[i] === 0) {
      previous = -Infinity;
      continue;
    }
    const x = map.x(bucketX(grid, bucket));
    const first = map.y(track.first[i] as number);
    const low = map.y(track.min[i] as number);
    const high = map.y(track.max[i] as number);
    const last = map.y(track.last[i] as number);
    const middle = map.y(track.mean[i] as number);
    const maxFirst = track.ff[i] === 1;
    if (bucket - previous > limit) {
      if (alone) dots.push(...alone);
      alone = [x, middle];
      pens.envelope.moveTo(x, first);
      pens.line.moveTo(x, middle);
    } else {
      alone = null;
      pens.envelope.lineTo(x, first);
      pens.line.lineTo(x, middle);
    }
    pens.envelope.lineTo(x, maxFirst ? high : low);
    pens.envelope.lineTo(x, maxFirst ? low : high);
    pens.envelope.lineTo(x, last);
    previous = bucket;
  }
  if (alone) dots.push(...alone);
  return dots;
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
