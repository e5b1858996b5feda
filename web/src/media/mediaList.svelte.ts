/** At which steps some runs have images and the like, asked again while they go on. */
import { queryMediaIndex, type ProjectRef } from '../data/api';
import { Polled } from '../state/polled.svelte';
import { mediaKeysOf, type MediaKey } from './mediaKeys';

export class MediaList extends Polled {
  /** By name. */
  keys = $state.raw<readonly MediaKey[]>([]);
  truncated = $state(false);
  private runs: readonly string[] = [];
  private held = '';

  constructor(private readonly ref: ProjectRef) {
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
    const { series, truncated } = await queryMediaIndex(this.ref, runs);
    // Others were chosen meanwhile.
    if (runs !== this.runs) return;
    const text = JSON.stringify(series);
    // What has not changed is not drawn again.
    if (text === this.held) return;
    this.held = text;
    this.truncated = truncated !== null;
    this.keys = mediaKeysOf(series);
  }
}
