/** Which of many items are on screen: all runs of a key as one long list, of which a window is drawn. */
import type { MediaSeries } from '../data/media';
import type { ItemRef } from './mediaView';
import { shownAt, type ShownStep } from './steps';

export interface Shelf {
  series: MediaSeries;
  shown: ShownStep;
  count: number;
  /** The place of its first item among all. */
  first: number;
}

/** What each run shows at a step; null asks for the last. */
export function shelvesOf(series: readonly MediaSeries[], asked: number | null): Shelf[] {
  const shelves: Shelf[] = [];
  let first = 0;
  for (const one of series) {
    const shown = shownAt(one.steps, asked);
    if (!shown) continue;
    const count = one.counts[shown.place] ?? 0;
    shelves.push({ series: one, shown, count, first });
    first += count;
  }
  return shelves;
}

export const countOf = (shelves: readonly Shelf[]): number =>
  shelves.reduce((sum, { count }) => sum + count, 0);

/** The item at a place. */
export function itemAt(shelves: readonly Shelf[], place: number): ItemRef | null {
  const shelf = shelves.find(({ first, count }) => place >= first && place < first + count);
  if (!shelf) return null;
  const { key, run, label } = shelf.series;
  return { key, run, label, step: shelf.shown.step, index: place - shelf.first };
}

/** Pictures in the page at once, whatever its size: each is decoded, and lives as long as it is there. */
export const MOST_PICTURES = 60;

export interface Grid {
  columns: number;
  rows: number;
  /** CSS pixels from one picture to the next. */
  pitch: { x: number; y: number };
}

export function gridOf(
  count: number,
  width: number,
  tile: { width: number; height: number },
  gap: number,
): Grid {
  const columns = Math.max(1, Math.floor((width + gap) / (tile.width + gap)));
  return {
    columns,
    rows: Math.ceil(count / columns),
    pitch: { x: (width + gap) / columns, y: tile.height + gap },
  };
}

/**
 * Places of the first and behind the last picture to draw: what is seen, a row beyond at each side while that
 * is within {@link MOST_PICTURES}.
 */
export function windowOf(
  { columns, rows, pitch }: Grid,
  count: number,
  { top, height }: { top: number; height: number },
): [number, number] {
  const most = Math.max(1, Math.floor(MOST_PICTURES / columns));
  const first = Math.min(Math.max(0, rows - 1), Math.max(0, Math.floor(top / pitch.y)));
  const last = Math.min(rows, first + most, Math.ceil((top + height) / pitch.y));
  const spare = most - (last - first);
  const before = Math.min(1, first, Math.max(0, spare));
  const after = Math.min(1, Math.max(0, spare - before));
  return [
    (first - before) * columns,
    Math.min(count, Math.min(rows, last + after) * columns, (first - before) * columns + MOST_PICTURES),
  ];
}
