/** What is asked of the server now, and again while a run goes on. */
import { ApiError } from '../data/api';
import { Again, AGAIN_MILLIS } from './again';

export abstract class Polled {
  status = $state<'idle' | 'loading' | 'ready' | 'error'>('loading');
  error = $state.raw<ApiError | null>(null);
  private readonly again = new Again(
    () => void this.load(),
    () => this.pauseMillis(),
  );

  /** Asks the server, and keeps what it says. */
  protected abstract ask(): Promise<void>;

  protected pauseMillis(): number {
    return AGAIN_MILLIS;
  }

  /** Asks now. */
  async load(): Promise<void> {
    this.again.asked();
    try {
      await this.ask();
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
