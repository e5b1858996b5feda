/** What a chart spans: x and y ranges, and the signs at its edge for values that have no place on it. */
import type { PanelData, Series, Track } from '../data/panelData';
import { lowerBound, type BucketGrid } from '../data/panelData';

export type Range = [number, number];

/** The least part of its values that a range must span: a few neighbouring floats, so that ticks find a place. */
const LEAST_SPAN = 2 ** -50;

/** The x of the first and last row of a track, or null when it has none. */
export function trackExtent(track: Track, grid: BucketGrid): Range | null {
  if (track.x.length === 0) return null;
  const [first, last] = [track.x[0] as number, track.x.at(-1) as number];
  // From the left edge of the first bucket: its first step is the one that was logged, not its middle.
  return track.kind === 'raw' ? [first, last] : [grid.x0 + (track.b[0] as number) * grid.dx, last];
}

/** The x range of all series; a single x gets room on both sides. Null without data. */
export function xExtent(data: PanelData): Range | null {
  let range: Range | null = null;
  for (const { track, meta } of data.series) {
    const own = trackExtent(track, data.header);
    if (!own) continue;
    // The last bucket is still filling: the axis ends at the last x, not at the middle of the bucket.
    const end = Math.max(own[1], Math.min(meta.last_x ?? own[1], own[1] + data.header.dx));
    range = range ? [Math.min(range[0], own[0]), Math.max(range[1], end)] : [own[0], end];
  }
  if (range && range[0] === range[1]) {
    // Of a huge x one more is the same float.
    const room = Math.max(data.header.unit === 'ms' ? 1000 : 1, Math.abs(range[0]) * LEAST_SPAN);
    return [range[0] - room, range[1] + room];
  }
  return range;
}

/** Finite values (min, max) of a track inside an x range; with `positive` only those that a log axis can show. */
export function yExtent(
  track: Track,
  grid: BucketGrid,
  [from, to]: Readonly<Range>,
  positive: boolean,
): Range | null {
  let low = Infinity;
  let high = -Infinity;
  const take = (value: number) => {
    if (!Number.isFinite(value) || (positive && value <= 0)) return;
    if (value < low) low = value;
    if (value > high) high = value;
  };
  if (track.kind === 'raw') {
    for (let i = lowerBound(track.x, from); i < track.x.length && (track.x[i] as number) <= to; i++)
      take(track.y[i] as number);
    for (const x of [from, to]) take(heightAt(track.x, track.y, x));
  } else {
    const first = lowerBound(track.b, Math.floor((from - grid.x0) / grid.dx));
    for (let i = first; i < track.b.length; i++) {
      if (grid.x0 + (track.b[i] as number) * grid.dx > to) break;
      if (track.n[i] === 0) continue;
      take(track.min[i] as number);
      take(track.max[i] as number);
      // Under a log axis the least value may be hidden while others of the bucket are not.
      if (positive) {
        take(track.first[i] as number);
        take(track.last[i] as number);
      }
    }
    for (const x of [from, to]) {
      // Next to a bucket that is drawn, the line comes from less than a pixel away.
      const right = lowerBound(track.x, x);
      if (right === 0 || (track.b[right] as number) - (track.b[right - 1] as number) < 2) continue;
      take(heightAt(track.x, track.min, x));
      take(heightAt(track.x, track.max, x));
    }
  }
  return low <= high ? [low, high] : null;
}

/** Where the line between two rows passes x; NaN where there is none. */
function heightAt(xs: Float64Array, ys: Float64Array, x: number): number {
  const right = lowerBound(xs, x);
  const [x0, x1] = [xs[right - 1], xs[right]];
  if (x0 === undefined || x1 === undefined) return NaN;
  const [y0, y1] = [ys[right - 1] as number, ys[right] as number];
  const part = (x - x0) / (x1 - x0);
  return y0 * (1 - part) + y1 * part;
}

/** Whether anything of a track is seen inside an x range: one of its rows, or the line between two. */
export function touches(track: Track, [from, to]: Readonly<Range>): boolean {
  const row = lowerBound(track.x, from);
  return row < track.x.length && (row > 0 || (track.x[row] as number) <= to);
}

/** Where a scale begins and ends; null where its values decide. */
export type Bounds = readonly [low: number | null, high: number | null];

/** The y range to show for values in [low, high]: the bounds, unless there are values beyond them. */
export function boundedRange(extent: Range | null, [low, high]: Bounds): Range {
  const [from, to] = yRange(extent, false);
  const range: Range = [
    low !== null && (!extent || extent[0] >= low) ? low : from,
    high !== null && (!extent || extent[1] <= high) ? high : to,
  ];
  return range[0] < range[1] ? range : [range[0], range[0] + 1];
}

/** The y range to show for values in [low, high]: some air, and room around a constant. */
export function yRange(extent: Range | null, log: boolean): Range {
  if (!extent) return log ? [0.1, 1] : [0, 1];
  let [low, high] = extent;
  if (log) {
    const ratio = Math.exp(0.04 * (Math.log(high) - Math.log(low)));
    const air = low === high ? 2 : Math.max(ratio, 1 + LEAST_SPAN);
    return [Math.max(low / air, Number.MIN_VALUE), Math.min(high * air, Number.MAX_VALUE)];
  }
  const greatest = Math.max(Math.abs(low), Math.abs(high));
  // A tenth of the least floats is nothing: two of them are room.
  const around = low === 0 ? 1 : Math.max(greatest * 0.1, 2 * Number.MIN_VALUE);
  const air = low === high ? around : Math.max((high / 2 - low / 2) * 0.1, greatest * LEAST_SPAN);
  [low, high] = [low - air, high + air];
  return [Math.max(low, -Number.MAX_VALUE), Math.min(high, Number.MAX_VALUE)];
}

/** Where values lie in a range: 0 at its low end, 1 at its high. A log range takes positive values only. */
export function fractionsOf([low, high]: Readonly<Range>, log: boolean): (value: number) => number {
  if (log) {
    // Close values differ by less than their logarithms can hold.
    const above = (value: number) =>
      value < 2 * low ? Math.log1p((value - low) / low) : Math.log(value) - Math.log(low);
    const span = above(high);
    return (value) => above(value) / span;
  }
  // The width of the widest range is no finite number.
  const part = Number.isFinite(high - low) ? 1 : 0.25;
  const from = low * part;
  const span = high * part - from;
  return (value) => (value * part - from) / span;
}

export interface Mark {
  sign: 'nan' | 'up' | 'down';
  x: number;
}

const NAN = 1;
const UP = 2;
const DOWN = 4;

/** NaN and infinities of a series inside an x range, one mark per row and sign. */
export function marksOf(series: Series, [from, to]: Readonly<Range>): Mark[] {
  const marks: Mark[] = [];
  const add = (flags: number, x: number) => {
    if (x < from || x > to) return;
    if (flags & NAN) marks.push({ sign: 'nan', x });
    if (flags & UP) marks.push({ sign: 'up', x });
    if (flags & DOWN) marks.push({ sign: 'down', x });
  };
  const { track } = series;
  if (track.kind === 'raw') {
    for (let i = 0; i < track.y.length; i++) add(flagsOf(track.y[i] as number), track.x[i] as number);
  } else {
    for (let i = 0; i < track.fl.length; i++) {
      const flags = (track.fl[i] as number) & (NAN | UP | DOWN);
      if (flags) add(flags, track.x[i] as number);
    }
  }
  return marks;
}

/** The flag bits of one value: 1 NaN, 2 +Inf, 4 −Inf. */
export function flagsOf(value: number): number {
  if (Number.isNaN(value)) return NAN;
  return value === Infinity ? UP : value === -Infinity ? DOWN : 0;
}

/** `NaN`, `+∞`, `−∞` for flag bits. */
export function flagNames(flags: number): string[] {
  return [flags & NAN ? 'NaN' : '', flags & UP ? '+∞' : '', flags & DOWN ? '−∞' : ''].filter(Boolean);
}

/** A dragged range on whole steps or milliseconds, so that addresses stay short; unchanged when it is tiny. */
export function wholeRange([from, to]: Readonly<Range>): Range {
  return to - from < 4 ? [from, to] : [Math.floor(from), Math.ceil(to)];
}
