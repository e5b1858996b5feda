/** The matches of a search in the output, and which of them is looked at. */
import { ApiError, searchLogs, type LogQuery, type MatchRange, type ProjectRef } from '../data/api';
import { ALL_OUTPUT, type LogMatches, type LogSource } from '../data/types';
import { Again } from './again';
import { matchAfter, nextMatch } from './logMatches';

/** Whoever types is not done yet. */
const TYPING_MILLIS = 200;

export class LogSearch {
  found = $state.raw<LogMatches | null>(null);
  /** The number of the line that was gone to. */
  line = $state<number | null>(null);
  /** Why the search cannot be done. */
  invalid = $state<string | null>(null);
  query = $state.raw<LogQuery | null>(null);
  private source = ALL_OUTPUT;
  private timer: number | undefined;
  private asking = new AbortController();
  /** Which matches are named: an answer has some thousands. */
  private range: MatchRange = { from: 0 };
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
    this.timer = window.setTimeout(() => {
      this.range = { from: 0 };
      void this.ask(true);
    }, TYPING_MILLIS);
  }

  /** There may be more matches. */
  poke(): void {
    if (this.query && this.found) this.again.poke();
  }

  /** The line of the next match, or of the one before; null when it cannot be asked. */
  async step(by: 1 | -1): Promise<number | null> {
    const next = this.found && nextMatch(this.found, this.line, by);
    if (next === null || typeof next === 'number') return (this.line = next);
    return this.look(next);
  }

  /** The first match of a range, or the last one up to where it ends; null where there is none. */
  async look(range: MatchRange): Promise<number | null> {
    this.range = range;
    if (!(await this.ask(false))) return null;
    const line = this.found?.lines.at('from' in range ? 0 : -1) ?? null;
    if (line !== null) this.line = line;
    return line;
  }

  close(): void {
    clearTimeout(this.timer);
    this.asking.abort();
    this.again.close();
  }

  private async ask(isNew: boolean): Promise<boolean> {
    if (!this.query) return false;
    this.again.asked();
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      this.found = await searchLogs(this.ref, this.run, this.source, this.query, this.range, signal);
      this.invalid = null;
      if (!isNew) return true;
      this.line = null;
      this.arrived(this.found);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (!(error instanceof ApiError)) throw error;
      this.invalid = error.detail || error.message;
      if (isNew) this.found = null;
      return false;
    }
  }
}
