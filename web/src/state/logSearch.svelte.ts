/** The matches of a search in the output, and which of them is looked at. */
import { ApiError, searchLogs, type LogQuery, type ProjectRef } from '../data/api';
import type { LogMatches, LogSource } from '../data/types';
import { Again } from './again';
import { matchAfter, stepMatch } from './logMatches';

/** Whoever types is not done yet. */
const TYPING_MILLIS = 200;

export class LogSearch {
  found = $state.raw<LogMatches | null>(null);
  /** The number of the line that was gone to. */
  line = $state<number | null>(null);
  /** Why the search cannot be done. */
  invalid = $state<string | null>(null);
  query = $state.raw<LogQuery | null>(null);
  private source: LogSource = { label: null, stream: 'all' };
  private timer: number | undefined;
  private asking = new AbortController();
  private readonly again = new Again(() => void this.ask(false));

  constructor(
    private readonly ref: ProjectRef,
    private readonly run: string,
    /** The matches of another search are there. */
    private readonly arrived: (found: LogMatches) => void,
  ) {}

  /** Whether a line matches, as far as the matches are named. */
  has(line: number): boolean {
    const matches = this.found?.lines ?? [];
    return matches[matchAfter(matches, line)] === line;
  }

  /** Searches for something else, soon. */
  set(query: LogQuery | null, source: LogSource): void {
    clearTimeout(this.timer);
    this.asking.abort();
    [this.query, this.source] = [query, source];
    if (!query) {
      [this.found, this.line, this.invalid] = [null, null, null];
      return;
    }
    this.timer = window.setTimeout(() => void this.ask(true), TYPING_MILLIS);
  }

  /** There may be more matches. */
  poke(): void {
    if (this.query && this.found) this.again.poke();
  }

  /** The line of the next match, or of the one before. */
  step(by: 1 | -1): number | null {
    this.line = stepMatch(this.found?.lines ?? [], this.line, by);
    return this.line;
  }

  close(): void {
    clearTimeout(this.timer);
    this.asking.abort();
    this.again.close();
  }

  private async ask(isNew: boolean): Promise<void> {
    if (!this.query) return;
    this.again.asked();
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      this.found = await searchLogs(this.ref, this.run, this.source, this.query, signal);
      this.invalid = null;
      if (!isNew) return;
      this.line = null;
      this.arrived(this.found);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      this.invalid = error.detail || error.message;
      if (isNew) this.found = null;
    }
  }
}
