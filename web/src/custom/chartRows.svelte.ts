/** The rows of one chart: asked for when it is on screen, kept while others are asked for. */
import { ApiError, queryChartData, type ProjectRef } from '../data/api';
import type { ChartAnswer, ChartQuery } from '../data/chartData';

export class ChartRows {
  answer = $state.raw<ChartAnswer | null>(null);
  status = $state<'idle' | 'loading' | 'ready' | 'error'>('idle');
  error = $state.raw<ApiError | null>(null);
  private asked = '';
  private abort: AbortController | null = null;

  constructor(private readonly ref: ProjectRef) {}

  /** Asks, unless the same was asked; `version` tells of what may have changed since. */
  ask(query: ChartQuery, runs: readonly string[], version = ''): void {
    const asked = JSON.stringify([query, runs, version]);
    if (asked === this.asked) return;
    this.asked = asked;
    void this.load(query, runs);
  }

  /** Asks again what failed. */
  retry(query: ChartQuery, runs: readonly string[]): void {
    void this.load(query, runs);
  }

  private async load(query: ChartQuery, runs: readonly string[]): Promise<void> {
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    this.status = 'loading';
    try {
      this.answer = await queryChartData(this.ref, query, runs, abort.signal);
      this.status = 'ready';
      this.error = null;
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') return;
      if (!(error instanceof ApiError)) throw error;
      this.error = error;
      this.status = 'error';
    }
  }

  close(): void {
    this.abort?.abort();
  }
}
