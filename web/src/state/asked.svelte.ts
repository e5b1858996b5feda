/** One answer of the server, asked again when something may have changed. */
import { Polled } from './polled.svelte';

export class Asked<T> extends Polled {
  value = $state.raw<T | null>(null);

  constructor(private readonly question: () => Promise<T>) {
    super();
  }

  protected override async ask(): Promise<void> {
    this.value = await this.question();
  }
}
