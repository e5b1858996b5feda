/** The keys that have images and the like. */
import type { MediaSeries } from '../data/media';
import { isTable } from './kinds';

/** A key and what each run has of it. */
export interface MediaKey {
  name: string;
  kind: string;
  series: MediaSeries[];
}

/** By name; without tables, which are looked at elsewhere. */
export function mediaKeysOf(series: readonly MediaSeries[]): MediaKey[] {
  const keys = new Map<string, MediaKey>();
  for (const one of series) {
    if (isTable(one.kind)) continue;
    const key = keys.get(one.key);
    if (key) key.series.push(one);
    else keys.set(one.key, { name: one.key, kind: one.kind, series: [one] });
  }
  return [...keys.values()].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}
