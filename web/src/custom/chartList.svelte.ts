/** The custom charts of some runs, asked again while they go on. */
import {
  ApiError,
  deleteChartPanel,
  getChartPanels,
  getChartPreset,
  getChartPresets,
  getCharts,
  putChartPanel,
  putChartPreset,
  queryMediaIndex,
  type ProjectRef,
} from '../data/api';
import type { Spec } from '../data/chartData';
import type { MediaSeries } from '../data/media';
import { Polled } from '../state/polled.svelte';
import { chartsOf, tableKeysOf, type Chart, type ChartLook } from './definitions';
import { emptyMap, withEntry } from './members';

/** A preset that is asked for, that the project keeps, that it does not, or that could not be asked for. */
export type KeptPreset = 'loading' | 'unknown' | { spec: Spec } | { error: ApiError };

export class ChartList extends Polled {
  charts = $state.raw<readonly Chart[]>([]);
  /** The tables of these charts: at which steps which run has one. */
  tables = $state.raw<readonly MediaSeries[]>([]);
  /** How often it was asked which there are: what is no table may have changed since. */
  asked = $state(0);
  /** Presets of the project by name, as far as charts have asked for them. */
  private presets = $state.raw(emptyMap<string, KeptPreset>());
  private runs: readonly string[] = [];
  private held = '';

  constructor(readonly ref: ProjectRef) {
    super();
  }

  /** Whose are shown; they are asked for now. */
  setRuns(runs: readonly string[]): void {
    if (runs.join('\n') === this.runs.join('\n') && this.status !== 'error') return;
    this.runs = runs;
    void this.load();
  }

  protected override async ask(): Promise<void> {
    const { runs } = this;
    const [logged, saved] = await Promise.all([getCharts(this.ref, runs), getChartPanels(this.ref)]);
    const charts = chartsOf(logged, saved);
    const keys = tableKeysOf(charts);
    const { series } = keys.length ? await queryMediaIndex(this.ref, runs, keys) : { series: [] };
    // Somebody may have kept what was not there.
    for (const [name, preset] of this.presets)
      if (preset === 'unknown' || (typeof preset === 'object' && 'error' in preset))
        void this.loadPreset(name);
    // Others were chosen meanwhile.
    if (runs !== this.runs) return;
    this.asked++;
    const text = JSON.stringify([charts, series]);
    // What has not changed is not drawn again.
    if (text === this.held) return;
    this.held = text;
    this.tables = series;
    this.charts = charts;
  }

  /** A preset that is none of the built-in ones; it is asked for when it is not there. */
  preset(name: string): KeptPreset {
    return this.presets.get(name) ?? 'loading';
  }

  async want(name: string): Promise<void> {
    if (this.presets.has(name)) return;
    this.keep(name, 'loading');
    await this.loadPreset(name);
  }

  private async loadPreset(name: string): Promise<void> {
    try {
      const names = await this.names();
      this.keep(name, names.includes(name) ? { spec: await getChartPreset(this.ref, name) } : 'unknown');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.keep(name, { error });
    }
  }

  names(): Promise<string[]> {
    return getChartPresets(this.ref);
  }

  /** Keeps a specification by its name; charts that have that name are drawn by it. */
  async savePreset(name: string, spec: Spec): Promise<void> {
    await putChartPreset(this.ref, name, spec);
    this.keep(name, { spec });
  }

  /** Draws a chart so from now on, for everybody; null as it was logged. */
  async saveLook(key: string, look: ChartLook | null): Promise<void> {
    if (look) {
      await putChartPanel(this.ref, key, { ...look });
    } else await deleteChartPanel(this.ref, key);
    await this.load();
  }

  private keep(name: string, preset: KeptPreset): void {
    this.presets = withEntry(this.presets, name, preset);
  }
}
