/** What a chart says in words: for screen readers, and the chips beside its title. */
import { formatStep, formatValue } from '../chart/format';
import type { PanelData } from '../data/panelData';
import { trackLength } from '../data/panelData';
import type { Run, RunState, SeriesMeta } from '../data/types';

export interface Chip {
  text: string;
  /** Where pressing it leads, in x units; null when nowhere. */
  x: number | null;
}

/** What a series is called: its run, and the writer where that has a label. */
export function seriesName({ run, label }: SeriesMeta, names: ReadonlyMap<string, string>): string {
  return (names.get(run) ?? run) + (label ? ` · ${label}` : '');
}

/** Things a chart must not keep to itself: NaN, values that a log axis hides, nothing finite at all. */
export function chartChips(data: PanelData, log: boolean): Chip[] {
  const chips: Chip[] = [];
  const nans = data.series.reduce((sum, { meta }) => sum + meta.nan, 0);
  const first = data.series
    .map(({ meta }) => meta.first_nan)
    .filter((x): x is number => x !== null)
    .sort((a, b) => a - b)[0];
  const finite = data.series.some(({ meta }) => meta.n > 0 && meta.y !== null);
  if (!finite && data.points > 0) chips.push({ text: 'no finite values', x: null });
  if (nans > 0 && first !== undefined)
    chips.push({
      text: data.header.unit === 'step' ? `first NaN at ${formatStep(first)}` : `${nans} NaN`,
      x: first,
    });
  if (log && data.series.some(({ meta }) => meta.y !== null && meta.y[0] <= 0))
    chips.push({ text: 'log hides values ≤ 0', x: null });
  return chips;
}

/** One sentence: the key, how many runs, the range, the lowest last value. */
export function chartSummary(title: string, data: PanelData, names: ReadonlyMap<string, string>): string {
  const filled = data.series.filter(({ track }) => trackLength(track) > 0);
  if (filled.length === 0) return `${title}, no values`;
  const runs = new Set(filled.map(({ meta }) => meta.run)).size;
  let lowest = Infinity;
  let name = '';
  for (const { meta, track } of filled) {
    const values = track.kind === 'raw' ? track.y : track.last;
    const last = values[values.length - 1] as number;
    if (last < lowest) [lowest, name] = [last, names.get(meta.run) ?? meta.run];
  }
  const upTo = data.header.unit === 'step' ? `, up to step ${formatStep(data.lastX ?? 0)}` : '';
  const seams = [...new Set(filled.flatMap(({ meta }) => meta.seams ?? []))].sort((a, b) => a - b);
  const goes = seams.length > 0 ? `, going on at step ${seams.map(formatStep).join(', ')}` : '';
  const best = name ? `; lowest last value ${name} ${formatValue(lowest)}` : '';
  return `${title}, ${runs} ${runs === 1 ? 'run' : 'runs'}${upTo}${goes}${best}`;
}

/** Whether a run in this state may still log. */
export const mayLog = (state: RunState): boolean => ['running', 'preempting', 'pending'].includes(state);

/** Why the page of a run has no charts. */
export function emptyRunText(run: Pick<Run, 'state' | 'key_count'> | null): {
  title: string;
  detail: string;
} {
  if (!run || mayLog(run.state))
    return { title: 'Nothing to draw yet', detail: 'Waiting for the first log() with a number in it.' };
  return run.key_count === 0
    ? { title: 'The run logged nothing', detail: `It ${ended(run.state)} without a call of log().` }
    : { title: 'Nothing to draw', detail: `The run ${ended(run.state)} without logging a number.` };
}

/** Why there are no charts of keys that are all hidden. */
export const ALL_HIDDEN = { title: 'Every key is hidden', detail: 'Their definitions say so: hidden=True.' };

const ended = (state: RunState): string =>
  state === 'killed' || state === 'preempted' ? `was ${state}` : state;

/** Why a workspace has no charts, from the states of all its runs; null while they are not known. */
export function emptyWorkspaceText(states: readonly RunState[] | null): { title: string; detail: string } {
  if (states?.length && !states.some(mayLog))
    return {
      title: 'Nothing to draw',
      detail: 'No run of this project logged a number, and none is running.',
    };
  return { title: 'Nothing to draw yet', detail: 'Waiting for the first log() with a number in it.' };
}
