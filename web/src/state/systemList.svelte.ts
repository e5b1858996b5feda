/** What a run samples of its system, asked again while the run goes on. */
import { ApiError, getSystemLayout, type ProjectRef } from '../data/api';
import type { SystemHost } from '../data/types';
import { Again, AGAIN_MILLIS } from './again';

/** What has samples gets others rarely: the second sample has the rates. */
const SAMPLED_MILLIS = 15_000;

export class SystemList {
  hosts = $state.raw<readonly SystemHost[]>([]);
  status = $state<'loading' | 'ready' | 'error'>('loading');
  error = $state.raw<ApiError | null>(null);
  private readonly again = new Again(
    () => void this.load(),
    () => (this.hosts.length > 0 ? SAMPLED_MILLIS : AGAIN_MILLIS),
  );
  private held = '';

  constructor(
    private readonly ref: ProjectRef,
    private readonly run: string,
  ) {}

  /** Asks now. */
  async load(): Promise<void> {
    this.again.asked();
    try {
      const hosts = await getSystemLayout(this.ref, this.run);
      // The same layout keeps the same charts.
      const text = JSON.stringify(hosts);
      if (text !== this.held) this.hosts = hosts;
      this.held = text;
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
