/** What a run printed, as far as it is looked at: pages around the screen, and the end while it grows. */
import { ApiError, getLogs, type ProjectRef } from '../data/api';
import { ALL_OUTPUT, type LogLine, type LogsAnswer, type LogSource } from '../data/types';
import { guessPlace, LinePages, PAGE_LINES, tailRange, type Known } from './linePages';

/** Asked beyond the screen on both sides, so that scrolling finds lines. */
const BESIDE = 200;

export class Logs {
  /** Lines of the stream. */
  total = $state(0);
  labels = $state.raw<readonly string[]>([]);
  status = $state<'loading' | 'ready' | 'error'>('loading');
  error = $state.raw<ApiError | null>(null);
  source = $state.raw<LogSource>(ALL_OUTPUT);
  /** Counts the answers: the lines themselves are no state. */
  private revision = $state(0);
  private readonly pages = new LinePages();
  private wanted = { from: 0, to: 0 };
  private fetching = '';
  private isPolling = false;
  private closing = new AbortController();

  constructor(
    private readonly ref: ProjectRef,
    private readonly run: string,
  ) {}

  /** Reads the end of another label or stream. */
  async open(source: LogSource): Promise<void> {
    this.closing.abort();
    this.closing = new AbortController();
    this.source = source;
    this.pages.clear();
    [this.total, this.status, this.fetching, this.isPolling] = [0, 'loading', '', false];
    await this.ask({ from: -PAGE_LINES, limit: PAGE_LINES });
  }

  /** The line at a place among those of the stream; undefined until it is there. */
  line(place: number): LogLine | undefined {
    void this.revision;
    return this.pages.line(place);
  }

  /** Says what is on screen: what is missing is asked, one request at a time. */
  show(from: number, to: number): void {
    this.wanted = { from, to };
    void this.fill();
  }

  /** Asks for what is new at the end. */
  async poll(): Promise<void> {
    if (this.isPolling || this.status === 'loading') return;
    this.isPolling = true;
    await this.ask(tailRange(this.total));
    this.isPolling = false;
    await this.fill();
  }

  /** The place of a line, or of the first after it; null when it cannot be asked. */
  async placeOf(number: number): Promise<number | null> {
    const end = Math.max(0, this.total - 1);
    if (this.isWhole) return Math.min(number, end);
    return this.tried(() => this.searched(number, end));
  }

  /** What a line was before it was written anew; null when it cannot be asked. */
  versionsOf(place: number): Promise<readonly string[] | null> {
    return this.tried(async () => (await this.page({ from: place, limit: 1, raw: 1 })).lines[0]?.[6] ?? []);
  }

  close(): void {
    this.closing.abort();
  }

  /** Whether no line is left out, so that a line's place is its number. */
  private get isWhole(): boolean {
    return this.source.stream === 'all' && this.source.level === 'all';
  }

  private async searched(number: number, end: number): Promise<number> {
    let lo: Known = { place: 0, number: 0 };
    let hi: Known = { place: end, number: this.pages.line(end)?.[0] ?? 0 };
    let isBad = false;
    while (lo.place < hi.place) {
      const width = hi.place - lo.place;
      const from = Math.max(lo.place, guessPlace(lo, hi, number, isBad) - PAGE_LINES / 2);
      const { lines } = await this.page({ from, limit: PAGE_LINES });
      const [first, last] = [lines[0], lines.at(-1)];
      if (!first || !last) return from;
      if (first[0] > number && from > lo.place) hi = { place: from, number: first[0] };
      else if (last[0] < number) lo = { place: from + lines.length, number: last[0] };
      else return from + lines.findIndex((line) => line[0] >= number);
      isBad = hi.place - lo.place > width / 2;
    }
    return Math.min(lo.place, end);
  }

  private page(page: { from: number; limit: number; raw?: 1 }): Promise<LogsAnswer> {
    return getLogs(this.ref, this.run, this.source, page, this.closing.signal);
  }

  private async fill(): Promise<void> {
    if (this.fetching || this.status !== 'ready') return;
    const { from, to } = this.wanted;
    if (!this.pages.missing(from, to, this.total)) return;
    const range = this.pages.missing(from - BESIDE, to + BESIDE, this.total);
    if (!range) return;
    this.fetching = JSON.stringify(range);
    const asked = this.fetching;
    const isDone = await this.ask(range);
    if (this.fetching !== asked) return;
    this.fetching = '';
    // What the server does not have yet is asked with the next poll.
    const next = this.pages.missing(this.wanted.from - BESIDE, this.wanted.to + BESIDE, this.total);
    if (isDone && JSON.stringify(next) !== asked) void this.fill();
  }

  private async ask(page: { from: number; limit: number }): Promise<boolean> {
    const answer = await this.tried(() => this.page(page));
    if (answer) this.take(answer);
    return answer !== null;
  }

  /** What is asked; null when it fails, which is told, or when something else is asked now. */
  private async tried<T>(asking: () => Promise<T>): Promise<T | null> {
    const { signal } = this.closing;
    try {
      const answer = await asking();
      return signal.aborted ? null : answer;
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof ApiError)) throw error;
      this.error = error;
      if (this.status === 'loading') this.status = 'error';
      return null;
    }
  }

  private take({ total, first, labels, lines }: LogsAnswer): void {
    // A log that was taken anew has other lines at the same places.
    if (total < this.total) this.pages.clear();
    if (this.isWhole) for (const line of lines) this.pages.put(line[0], [line]);
    else this.pages.put(first, lines);
    this.pages.keepAround(this.wanted.to > 0 ? this.wanted.from : total);
    if (labels.join('\n') !== this.labels.join('\n')) this.labels = labels;
    [this.total, this.status, this.error] = [total, 'ready', null];
    this.revision++;
  }
}
