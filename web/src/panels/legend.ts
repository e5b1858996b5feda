/** Which lines a chart names below it. */
import type { Series } from '../data/panelData';
import type { Line } from '../state/sections';

/** One of them: the series that it looks like, and whether it stands for those of all writers. */
export interface Named {
  series: Series;
  isOfAll: boolean;
}

/** Lines that the enlarged chart names, and a small one that has several of its own. */
export const [NAMED, NAMED_IN_SMALL] = [24, 4];

/**
 * The lines to name, in the order of the chart's own: all in the enlarged view. A small one has a
 * row for those that tell its colours apart; writers differ by dashes, which the run's header names.
 */
export function namedLines(
  series: readonly Series[],
  lines: readonly Line[] | undefined,
  large: boolean,
): Named[] {
  const placeOf = ({ meta }: Series) => lines?.findIndex(({ name }) => name === meta.metric) ?? 0;
  const inOrder = [...series].sort((a, b) => placeOf(a) - placeOf(b));
  if (large) return inOrder.slice(0, NAMED).map((one) => ({ series: one, isOfAll: false }));
  const own = lines?.length ?? 1;
  if (own === 1 || own > NAMED_IN_SMALL) return [];
  const first = inOrder.filter((one, i) => one.meta.metric !== inOrder[i - 1]?.meta.metric);
  return first.map((one) => ({ series: one, isOfAll: series.length > first.length }));
}
