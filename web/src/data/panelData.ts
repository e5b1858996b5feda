/**
 * The numbers of one chart, and how live frames change them. Typed arrays in plain objects: never in `$state`.
 * After any sequence of frames the arrays equal those of a fresh query.
 */
import type { PanelHeader, SeriesMeta } from './types';

export interface BucketGrid {
  x0: number;
  dx: number;
}

/** The x at which a bucket is drawn: exact for buckets of one step, else the middle of its whole values. */
export function bucketX(grid: BucketGrid, bucket: number): number {
  return grid.x0 + bucket * grid.dx + Math.max(0, grid.dx - 1) / 2;
}

/** Columns of one frame, rows sorted by (series, bucket) or (series, x). */
export interface BucketColumns {
  s: ArrayLike<number>;
  b: ArrayLike<number>;
  /** Where it is drawn. */
  x: ArrayLike<number>;
  first: ArrayLike<number>;
  min: ArrayLike<number>;
  max: ArrayLike<number>;
  last: ArrayLike<number>;
  mean: ArrayLike<number>;
  n: ArrayLike<number>;
  fl: ArrayLike<number>;
  ff: ArrayLike<number>;
}
export interface RawColumns {
  s: ArrayLike<number>;
  x: ArrayLike<number>;
  y: ArrayLike<number>;
}
export interface PanelFrame {
  header: PanelHeader;
  bucket: BucketColumns | null;
  raw: RawColumns | null;
}

const BUCKET_FIELDS = ['b', 'x', 'first', 'min', 'max', 'last', 'mean', 'n', 'fl', 'ff'] as const;
type BucketField = (typeof BUCKET_FIELDS)[number];

/**
 * Buckets of one series; `n[i] === 0` means that bucket holds only NaN or infinities (see `fl`). Of a group `n`
 * counts writers, `mean` is the mean of theirs, and `min` and `max` are those of all their values.
 */
export type BucketTrack = { kind: 'bucket' | 'group' } & Record<BucketField, Float64Array>;
/** Logged values of one series in x order; `y` may be NaN or infinite. */
export interface RawTrack {
  kind: 'raw';
  x: Float64Array;
  y: Float64Array;
}
export type Track = BucketTrack | RawTrack;

export interface Series {
  meta: SeriesMeta;
  track: Track;
}

/** Number of rows of a track. */
export function trackLength(track: Track): number {
  return track.x.length;
}

const identity = (meta: SeriesMeta): string => JSON.stringify([meta.run, meta.metric, meta.label]);

function rowsOf(s: ArrayLike<number>, index: number): [number, number] {
  let from = 0;
  let to = s.length;
  // Rows are sorted by series: two binary searches.
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((s[middle] as number) < index) from = middle + 1;
    else to = middle;
  }
  const start = from;
  to = s.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((s[middle] as number) <= index) from = middle + 1;
    else to = middle;
  }
  return [start, from];
}

function slice(column: ArrayLike<number>, from: number, to: number): Float64Array {
  const out = new Float64Array(to - from);
  for (let i = from; i < to; i++) out[i - from] = column[i] as number;
  return out;
}

function trackOf(frame: PanelFrame, index: number): Track {
  if (frame.raw) {
    const [from, to] = rowsOf(frame.raw.s, index);
    return { kind: 'raw', x: slice(frame.raw.x, from, to), y: slice(frame.raw.y, from, to) };
  }
  const columns = frame.bucket as BucketColumns;
  const [from, to] = rowsOf(columns.s, index);
  const track = { kind: frame.header.mode === 'group' ? 'group' : 'bucket' } as BucketTrack;
  for (const field of BUCKET_FIELDS) track[field] = slice(columns[field], from, to);
  return track;
}

function concat(head: Float64Array, count: number, tail: Float64Array): Float64Array {
  const out = new Float64Array(count + tail.length);
  out.set(head.subarray(0, count));
  out.set(tail, count);
  return out;
}

/** Index of the first element that is >= value. */
export function lowerBound(values: ArrayLike<number>, value: number): number {
  let from = 0;
  let to = values.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((values[middle] as number) < value) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** A raw patch replaces everything from its first x on. */
function patchRaw(old: RawTrack, patch: RawTrack): RawTrack {
  if (patch.x.length === 0) return old;
  const keep = lowerBound(old.x, patch.x[0] as number);
  return { kind: 'raw', x: concat(old.x, keep, patch.x), y: concat(old.y, keep, patch.y) };
}

/** A bucket patch replaces the buckets that it names and adds those that are new. */
function patchBuckets(old: BucketTrack, patch: BucketTrack): BucketTrack {
  if (patch.b.length === 0) return old;
  const from = lowerBound(old.b, patch.b[0] as number);
  const picks: [BucketTrack, number][] = [];
  let i = from;
  let j = 0;
  while (i < old.b.length || j < patch.b.length) {
    const a = i < old.b.length ? (old.b[i] as number) : Infinity;
    const b = j < patch.b.length ? (patch.b[j] as number) : Infinity;
    if (a < b) picks.push([old, i++]);
    else {
      if (a === b) i++;
      picks.push([patch, j++]);
    }
  }
  const track = { kind: old.kind } as BucketTrack;
  for (const field of BUCKET_FIELDS) {
    const tail = Float64Array.from(picks, ([source, row]) => source[field][row] as number);
    track[field] = concat(old[field], from, tail);
  }
  return track;
}

/** One chart's series. `version` counts the changes, for whoever draws. */
export class PanelData {
  header: PanelHeader;
  series: Series[];
  version = 1;

  constructor(frame: PanelFrame) {
    this.header = frame.header;
    this.series = frame.header.series.map((meta) => ({ meta, track: trackOf(frame, meta.i) }));
  }

  /**
   * Applies a live frame. Returns false when it does not fit the grid that is held, so that the caller must
   * query again; the data is unchanged then.
   */
  apply(frame: PanelFrame): boolean {
    const { header } = frame;
    if (header.reset) {
      const fresh = new PanelData(frame);
      this.header = fresh.header;
      this.series = fresh.series;
      this.version++;
      return true;
    }
    const held = this.header;
    if (header.mode !== held.mode) return false;
    if (header.mode !== 'raw' && (header.x0 !== held.x0 || header.dx !== held.dx)) return false;
    const known = new Map(this.series.map((series) => [identity(series.meta), series]));
    for (const meta of header.series) {
      const track = trackOf(frame, meta.i);
      const old = known.get(identity(meta));
      if (!old) this.series.push({ meta, track });
      else {
        old.meta = meta;
        if (old.track.kind === 'raw' && track.kind === 'raw') old.track = patchRaw(old.track, track);
        if (old.track.kind !== 'raw' && track.kind !== 'raw') old.track = patchBuckets(old.track, track);
      }
    }
    this.header = { ...header, series: held.series, nb: Math.max(header.nb, held.nb) };
    this.version++;
    return true;
  }

  /** Rows that are held, over all series. */
  get points(): number {
    return this.series.reduce((sum, series) => sum + trackLength(series.track), 0);
  }

  /** The greatest x of any series, or null when there is none. */
  get lastX(): number | null {
    let last: number | null = null;
    for (const { meta } of this.series)
      if (meta.last_x !== null && (last === null || meta.last_x > last)) last = meta.last_x;
    return last;
  }
}
