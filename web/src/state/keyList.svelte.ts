/** The keys of a project or of a run, asked again while runs are going on. */
import { ApiError, getProjectKeys, getRunKeys, type ProjectRef } from '../data/api';
import type { KeyInfo } from '../data/types';
import { Again } from './again';
import { isPlotted } from './sections';

export class KeyList {
  /** Keys with numbers to draw, sorted by name. */
  plotted = $state.raw<KeyInfo[]>([]);
  /** Of these, those that have a panel. */
  readonly panels = $derived(this.plotted.filter((key) => !key.hidden));
  status = $state<'loading' | 'ready' | 'error'>('loading');
  error = $state.raw<ApiError | null>(null);
  private readonly again = new Again(() => void this.load());
  private names = '';

  constructor(
    private readonly ref: ProjectRef,
    private readonly run: string | null,
  ) {}

  /** Asks now. */
  async load(): Promise<void> {
    this.again.asked();
    try {
      const keys = this.run ? await getRunKeys(this.ref, this.run) : await getProjectKeys(this.ref);
      const plotted = keys.filter(isPlotted);
      const names = plotted.map((key) => `${key.hidden} ${key.name}`).join('\n');
      // The same names keep the same panels: no rebuild of sections.
      if (names !== this.names || this.status !== 'ready') this.plotted = plotted;
      this.names = names;
      this.status = 'ready';
      this.error = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.error = error;
      this.status = 'error';
    }
  }

  /** Asks soon, at most every few seconds. */
  poke(): void {
    this.again.poke();
  }

  close(): void {
    this.again.close();
  }
}
