/** Frames for tests: M4 buckets computed the slow and obvious way. */
import { bucketX, type PanelFrame } from './panelData';
import type { PanelHeader, SeriesMeta } from './types';

export interface Logged {
  run: string;
  points: [x: number, y: number][];
}

function metaOf(logged: Logged, i: number): SeriesMeta {
  const finite = logged.points.map(([, y]) => y).filter(Number.isFinite);
  const nans = logged.points.filter(([, y]) => Number.isNaN(y));
  return {
    i,
    run: logged.run,
    metric: 'loss',
    label: '',
    n: finite.length,
    nan: nans.length,
    first_nan: nans[0]?.[0] ?? null,
    last_x: logged.points.at(-1)?.[0] ?? null,
    y: finite.length ? [Math.min(...finite), Math.max(...finite)] : null,
  };
}

function header(logged: readonly Logged[], mode: 'raw' | 'bucket', dx: number, nb: number): PanelHeader {
  return { id: 'loss', mode, x0: 0, dx, nb, unit: 'step', series: logged.map(metaOf) };
}

/** A frame of all logged points. */
export function rawFrame(logged: readonly Logged[]): PanelFrame {
  const rows = logged.flatMap((series, i) => series.points.map(([x, y]) => [i, x, y] as const));
  const raw = { s: rows.map((r) => r[0]), x: rows.map((r) => r[1]), y: rows.map((r) => r[2]) };
  return { header: header(logged, 'raw', 1, 0), bucket: null, raw };
}

/** A frame of buckets of width dx that start at 0; with `only`, those whose number it accepts. */
export function bucketFrame(
  logged: readonly Logged[],
  dx: number,
  only: (run: string, bucket: number) => boolean = () => true,
): PanelFrame {
  const rows: number[][] = [];
  let nb = 0;
  logged.forEach((series, i) => {
    const buckets = new Map<number, number[]>();
    for (const [x, y] of series.points) {
      const b = Math.floor(x / dx);
      buckets.set(b, [...(buckets.get(b) ?? []), y]);
      nb = Math.max(nb, b + 1);
    }
    for (const [b, values] of [...buckets].sort(([p], [q]) => p - q)) {
      if (!only(series.run, b)) continue;
      const finite = values.filter(Number.isFinite);
      const [min, max] = [Math.min(...finite), Math.max(...finite)];
      const flags = values.some(Number.isNaN) ? 1 : 0;
      const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
      const ff = finite.indexOf(max) < finite.indexOf(min) ? 1 : 0;
      rows.push([i, b, finite[0] ?? NaN, min, max, finite.at(-1) ?? NaN, mean, finite.length, flags, ff]);
    }
  });
  const column = (index: number) => rows.map((row) => row[index] as number);
  const [s, b, first, min, max] = [0, 1, 2, 3, 4].map(column) as [
    number[],
    number[],
    number[],
    number[],
    number[],
  ];
  const [last, mean, n, fl, ff] = [5, 6, 7, 8, 9].map(column) as [
    number[],
    number[],
    number[],
    number[],
    number[],
  ];
  return {
    header: header(logged, 'bucket', dx, nb),
    bucket: { s, b, x: b.map((one) => bucketX({ x0: 0, dx }, one)), first, min, max, last, mean, n, fl, ff },
    raw: null,
  };
}

/** A generator of numbers in [0, 1) that starts the same each time. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
