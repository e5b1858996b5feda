/** Where the keys lead from one open item: to others of its value, its run's other steps, other runs. */
import type { MediaSeries } from '../../data/media';
import type { ItemRef } from '../mediaView';
import { movedStep, placeOf, shownAt } from '../steps';

const seriesOf = (series: readonly MediaSeries[], { run, label }: ItemRef): number =>
  series.findIndex((one) => one.run === run && one.label === label);

/** How many there are at its step. */
export function countAt(series: readonly MediaSeries[], open: ItemRef): number {
  const own = series[seriesOf(series, open)];
  const place = own?.steps.indexOf(open.step) ?? -1;
  return own?.counts[place] ?? 1;
}

/** The item in a series that is beside an open one: at its step or the last before it, with its index. */
function itemIn(one: MediaSeries, { key, index }: ItemRef, step: number): ItemRef | null {
  const at = shownAt(one.steps, step);
  if (!at) return null;
  const most = Math.max(0, (one.counts[at.place] ?? 1) - 1);
  return { key, run: one.run, label: one.label, step: at.step, index: Math.min(index, most) };
}

/** The next item of the same value; the same one at its ends. */
export function byItem(series: readonly MediaSeries[], open: ItemRef, by: number): ItemRef {
  const index = Math.min(countAt(series, open) - 1, Math.max(0, open.index + by));
  return { ...open, index };
}

/** The same item of the next step that there is. */
export function byStep(series: readonly MediaSeries[], open: ItemRef, by: number): ItemRef {
  const own = series[seriesOf(series, open)];
  const step = own && movedStep(own.steps, open.step, by);
  return own && step !== null && step !== undefined ? (itemIn(own, open, step) ?? open) : open;
}

/** The same item of the next run; the first follows the last. */
export function byRun(series: readonly MediaSeries[], open: ItemRef, by: number): ItemRef {
  const at = seriesOf(series, open);
  if (at < 0) return open;
  const next = series[(at + by + series.length) % series.length] as MediaSeries;
  return itemIn(next, open, open.step) ?? open;
}

/** What an item can be compared with: what it was before, and what other runs have. */
export function othersOf(series: readonly MediaSeries[], open: ItemRef): ItemRef[] {
  const at = seriesOf(series, open);
  const own = series[at];
  const others = series.flatMap((one, i) => (i === at ? [] : (itemIn(one, open, open.step) ?? [])));
  if (!own) return others;
  const before = placeOf(own.steps, open.step - 1);
  const first = own.steps[0] as number;
  const steps = [...new Set([...(before >= 0 ? [own.steps[before] as number] : []), first])];
  return [
    ...others,
    ...steps.filter((step) => step !== open.step).flatMap((step) => itemIn(own, open, step) ?? []),
  ];
}
