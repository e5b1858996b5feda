/** One run's header: asked once, then pushed by the live channel. */
import { ApiError, getRun, type ProjectRef } from '../data/api';
import type { LiveHandlers } from '../data/liveSocket';
import type { Run } from '../data/types';

export class RunDetail {
  run = $state.raw<Run | null>(null);
  error = $state.raw<ApiError | null>(null);
  private readonly unsubscribe: () => void;

  constructor(
    private readonly ref: ProjectRef,
    private readonly id: string,
    subscribe: (body: Record<string, unknown>, handlers: LiveHandlers) => () => void,
    private readonly changed: () => void,
  ) {
    this.unsubscribe = subscribe(
      { ch: 'run', ...ref, run: id },
      {
        gap: () => void this.load(),
        message: (message) => {
          if (message['t'] !== 'run') return;
          this.run = message['run'] as Run;
          // One that was deleted is back when its folder is synced again.
          this.error = null;
          this.changed();
        },
      },
    );
  }

  async load(): Promise<void> {
    try {
      this.run = await getRun(this.ref, this.id);
      this.error = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.error = error;
    }
  }

  close(): void {
    this.unsubscribe();
  }
}
