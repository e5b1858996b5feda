/** What a chart says in words: for screen readers, and the chips beside its title. */
import { formatDuration, formatInstant, formatStep, formatValue } from '../chart/format';
import type { PanelData } from '../data/panelData';
import { trackLength } from '../data/panelData';
import { formatUnit } from '../chart/units';
import type { LogSource, Run, RunState, SeriesMeta } from '../data/types';
import type { Line } from '../state/sections';

export interface Chip {
  text: string;
  /** Where pressing it leads, in x units; null when nowhere. */
  x: number | null;
}

/** What a series is called: its run, and the writer where that has a label. */
export function seriesName({ run, label }: SeriesMeta, names: ReadonlyMap<string, string>): string {
  return (names.get(run) ?? run) + (label ? ` · ${label}` : '');
}

/** What a line of a chart is called: by its run, or by what it is where the chart has several things. */
export function lineName(
  meta: SeriesMeta,
  names: ReadonlyMap<string, string>,
  lines?: readonly Line[],
): string {
  if (!lines) return seriesName(meta, names);
  const title = lines.find((line) => line.name === meta.metric)?.title ?? meta.metric;
  return meta.label ? `${title} · ${meta.label}` : title;
}

/** One sentence: the title, and the last value of each line. */
export function sampleSummary(title: string, data: PanelData, lines: readonly Line[], unit: string): string {
  const last = data.series.flatMap(({ meta, track }) => {
    const values = track.kind === 'raw' ? track.y : track.last;
    const value = values.at(-1);
    return value === undefined ? [] : [`${lineName(meta, new Map(), lines)} ${formatUnit(value, unit)}`];
  });
  return last.length === 0 ? `${title}, no values` : `${title}, last ${last.slice(0, 8).join(', ')}`;
}

/** A moment on an axis of milliseconds: since 1970, or since the run's start. */
export function timeText(millis: number, isWall: boolean): string {
  return isWall
    ? new Date(millis).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' })
    : formatDuration(millis / 1000);
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

/** Why a run has no samples of its system. */
export function emptySystemText(run: Pick<Run, 'state'> | null): { title: string; detail: string } {
  const why = 'the run was killed within moments, the setting stats is off, or its client is an older one';
  if (!run || mayLog(run.state))
    return {
      title: 'No samples yet',
      detail: `The first one comes with the start of the run, unless ${why}.`,
    };
  return { title: 'No samples of the system', detail: `There are none: ${why}.` };
}

/** Why a run has no output. */
export function emptyLogsText(
  run: Pick<Run, 'state'> | null,
  { stream, level }: LogSource,
): { title: string; detail: string } {
  if (level !== 'all')
    return {
      title:
        level === 'error' ? 'No line names an error' : `No line names the level ${level} or a higher one`,
      detail: 'All levels show what was printed.',
    };
  if (stream !== 'all')
    return { title: `Nothing went to std${stream}`, detail: 'The other stream may have something.' };
  if (!run || mayLog(run.state))
    return {
      title: 'No output yet',
      detail:
        'What is printed comes within a second, unless the console is off, or the client is an older one.',
    };
  return { title: 'No output captured', detail: 'The console was off, or the client is an older one.' };
}

/**
 * What the end of a run means; null for one that went as it should, or still goes. A process that broke down
 * may have said so with its last words.
 */
export function endingText(
  run: Pick<Run, 'state' | 'exit_code' | 'updated'> & { is_whole?: boolean },
  saysItBrokeDown = false,
): string | null {
  switch (run.state) {
    case 'failed':
      return `The program ended with exit code ${run.exit_code ?? 'unknown'}${codeText(run.exit_code)}.`;
    case 'killed':
      return `A signal ended the program, such as SIGTERM of a scheduler or a closed terminal${codeText(run.exit_code)}.`;
    case 'crashed':
      return crashText(formatInstant(run.updated), run.is_whole ?? false, saysItBrokeDown);
    case 'preempted':
      return 'The program was told that it will be stopped, and ended before it was done.';
    case 'preempting':
      return 'The program was told that it will be stopped.';
    default:
      return null;
  }
}

/** A sync is proposed only where it may find something. */
function crashText(last: string, isWhole: boolean, saysItBrokeDown: boolean): string {
  const rest = isWhole
    ? 'All of it is here.'
    : 'Whether it logged more after that only its folder knows: steplog sync sends what is missing here.';
  if (saysItBrokeDown)
    return `The process broke down, as its last words say; its last sign of life was at ${last}. ${rest}`;
  const killed = 'was killed by force (often for want of memory)';
  return isWhole
    ? `The process ${killed}, or the machine went down: its log ends at ${last} without a sign of an end. ${rest}`
    : `No sign of an end came, and the last sign of life was at ${last}: the process ${killed}, ` +
        `the machine went down, or it cannot reach the server. ${rest}`;
}

const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP, a closed terminal',
  2: 'SIGINT, Ctrl-C',
  3: 'SIGQUIT',
  4: 'SIGILL, an instruction that the processor does not know',
  6: 'SIGABRT, the program gave up by itself',
  7: 'SIGBUS, a memory error',
  8: 'SIGFPE, such as a division by zero',
  9: 'SIGKILL, often for want of memory',
  10: 'SIGUSR1',
  11: 'SIGSEGV, a memory error',
  12: 'SIGUSR2',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
  24: 'SIGXCPU, a limit of processor time',
};

/** What is known of an exit code, as an addition to a sentence. */
function codeText(code: number | null): string {
  if (code === 1) return ', as after an exception that nothing caught';
  if (code === 255) return ', as after Ctrl-C';
  const signal = code === null ? undefined : SIGNALS[code < 0 ? -code : code - 128];
  return signal ? ` (${signal})` : '';
}

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
