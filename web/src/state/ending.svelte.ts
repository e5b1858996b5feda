/** Why a run ended as it did: its last lines and hints, asked once it has ended. What cannot be had is left out. */
import { ApiError, getLogs, getRunKeys, getSystemLayout, querySeries, type ProjectRef } from '../data/api';
import {
  ALL_OUTPUT,
  type LogLine,
  type Run,
  type SeriesMeta,
  type SeriesRef,
  type XAxis,
} from '../data/types';
import {
  breakdown,
  endedBadly,
  endOf,
  errorLine,
  memoryHint,
  nanHint,
  sampleHints,
  shownLines,
  telling,
} from './endingHints';

/** Lines that are read for the last error; fewer are shown. */
const READ_LINES = 200;
const SAMPLES = /^(proc\.memory\.oomKills|proc\.cpu\.throttledPercent|gpu\.\d+\.throttleReasons)$/;
/** As many as are asked of 64 GPUs. */
const MOST_SAMPLES = 70;

export class Ending {
  lines = $state.raw<readonly LogLine[]>([]);
  /** The number of the line that the error begins with. */
  errorLine = $state<number | null>(null);
  /** The line that says that the process broke down. */
  breakdown = $state.raw<LogLine | null>(null);
  hints = $state.raw<readonly string[]>([]);
  private asked = '';

  constructor(
    private readonly ref: ProjectRef,
    private readonly run: string,
  ) {}

  /** Asks, when the run has come to an end that was not asked of yet. */
  async follow(run: Run): Promise<void> {
    const end = endOf(run);
    const key = JSON.stringify([run.state, run.updated, end]);
    if (this.asked === key) return;
    this.asked = key;
    if (!endedBadly(run)) {
      [this.lines, this.errorLine, this.breakdown, this.hints] = [[], null, null, []];
      return;
    }
    const [lines, nan, samples] = await Promise.all([
      orNothing(this.tail(end.label)),
      orNothing(this.nans()),
      orNothing(this.samples()),
    ]);
    if (this.asked !== key) return;
    this.lines = shownLines(lines ?? []);
    this.breakdown = breakdown(lines ?? []);
    this.errorLine = errorLine(lines ?? []);
    const said = sampleHints(samples ?? []);
    const isKnown = said.some((hint) => hint.startsWith('Out of memory'));
    const hints = [memoryHint(end, this.lines, isKnown), ...said, nanHint(nan ?? [])];
    this.hints = hints.filter((hint) => hint !== null);
  }

  private async tail(label: string): Promise<LogLine[]> {
    const page = { from: -READ_LINES, limit: READ_LINES };
    return (await getLogs(this.ref, this.run, { ...ALL_OUTPUT, label }, page)).lines;
  }

  private async nans(): Promise<SeriesMeta[]> {
    const names = telling(await getRunKeys(this.ref, this.run));
    return this.headers(
      names.map((metric) => ({ metric })),
      'step',
    );
  }

  private async samples(): Promise<SeriesMeta[]> {
    const hosts = await getSystemLayout(this.ref, this.run);
    const names = hosts
      .flatMap(({ metrics, devices }) => [...metrics, ...devices.flatMap((device) => device.metrics)])
      .map(({ name }) => name)
      .filter((name, i, all) => SAMPLES.test(name) && all.indexOf(name) === i);
    return this.headers(
      names.slice(0, MOST_SAMPLES).map((system) => ({ system })),
      'wall',
    );
  }

  private async headers(series: SeriesRef[], x: XAxis): Promise<SeriesMeta[]> {
    if (series.length === 0) return [];
    const { frames } = await querySeries(this.ref, [
      {
        id: 'ending',
        series,
        runs: { ids: [this.run] },
        x,
        range: null,
        px: 16,
        fields: ['last'],
        beside: false,
      },
    ]);
    return frames.flatMap(({ header }) => header.series);
  }
}

async function orNothing<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null;
  }
}
