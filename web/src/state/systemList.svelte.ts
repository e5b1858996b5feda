/** What a run samples of its system, asked again while the run goes on. */
import { getSystemLayout, type ProjectRef } from '../data/api';
import type { SystemHost } from '../data/types';
import { AGAIN_MILLIS } from './again';
import { Polled } from './polled.svelte';

/** What has samples gets others rarely: the second sample has the rates. */
const SAMPLED_MILLIS = 15_000;

export class SystemList extends Polled {
  hosts = $state.raw<readonly SystemHost[]>([]);
  private held = '';

  constructor(
    private readonly ref: ProjectRef,
    private readonly run: string,
  ) {
    super();
  }

  protected override pauseMillis(): number {
    return this.hosts.length > 0 ? SAMPLED_MILLIS : AGAIN_MILLIS;
  }

  protected override async ask(): Promise<void> {
    const hosts = await getSystemLayout(this.ref, this.run);
    // The same layout keeps the same charts.
    const text = JSON.stringify(hosts);
    if (text !== this.held) this.hosts = hosts;
    this.held = text;
  }
}
