/** The keys of a project or of a run, asked again while runs are going on. */
import { getProjectKeys, getRunKeys, type ProjectRef } from '../data/api';
import type { KeyInfo } from '../data/types';
import { Polled } from './polled.svelte';
import { isPlotted } from './sections';

export class KeyList extends Polled {
  /** Keys with numbers to draw, sorted by name. */
  plotted = $state.raw<KeyInfo[]>([]);
  /** Of these, those that have a panel. */
  readonly panels = $derived(this.plotted.filter((key) => !key.hidden));
  /** Whether something else was logged than numbers and texts: images and the like. */
  hasObjects = $state(false);
  private names = '';

  constructor(
    private readonly ref: ProjectRef,
    private readonly run: string | null,
  ) {
    super();
  }

  protected override async ask(): Promise<void> {
    const keys = this.run ? await getRunKeys(this.ref, this.run) : await getProjectKeys(this.ref);
    this.hasObjects = keys.some(({ kinds }) => kinds.includes('object') || kinds.includes('list'));
    const plotted = keys.filter(isPlotted);
    const names = plotted.map((key) => `${key.hidden} ${key.name}`).join('\n');
    // The same names keep the same panels: no rebuild of sections.
    if (names !== this.names || this.status !== 'ready') this.plotted = plotted;
    this.names = names;
  }
}
