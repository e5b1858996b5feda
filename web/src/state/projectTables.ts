/** The tables of all runs of a project, by key. */
import type { MediaSeries } from '../data/media';
import type { LoggedTable, TableSource } from '../data/tables';

/** What the server puts one after another. */
const MOST_SOURCES = 50;

export interface TableKey {
  key: string;
  /** The last of each run and label, in the order of the runs. */
  sources: TableSource[];
}

/** The keys with tables by name; `runs` say in which order theirs come. */
export function tableKeysOf(series: readonly MediaSeries[], runs: readonly string[]): TableKey[] {
  const order = new Map(runs.map((run, i) => [run, i]));
  const keys = new Map<string, TableSource[]>();
  for (const { run, key, label, kind, steps } of series) {
    if (!/table/.test(kind)) continue;
    const sources = keys.get(key) ?? [];
    // By its number: rows and what heads of columns say are of one step, and another one is asked for anew.
    sources.push({ run, key, step: steps.at(-1) ?? 'latest', label });
    keys.set(key, sources);
  }
  const place = ({ run }: TableSource) => order.get(run) ?? runs.length;
  return [...keys]
    .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .map(([key, sources]) => ({
      key,
      sources: sources.sort((a, b) => place(a) - place(b) || (a.label ?? '').localeCompare(b.label ?? '')),
    }));
}

/** Those of a key that are shown together: of hidden runs none, and no more than the server takes. */
export const shownSources = ({ sources }: TableKey, hidden: readonly string[]): TableSource[] =>
  sources.filter(({ run }) => !hidden.includes(run)).slice(0, MOST_SOURCES);

/** A key as the explorer lists tables of a run: of all runs there is only the last step. */
export const listedTable = ({ key }: TableKey): LoggedTable => ({
  ...{ key, label: '', steps: [], ncols: null, nrows: null },
});
