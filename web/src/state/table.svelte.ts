/** The rows of a query of a table, by pages, and what its columns hold. Asked when they come into sight. */
import { SvelteMap } from 'svelte/reactivity';
import { ApiError, queryTable, type ProjectRef } from '../data/api';
import type { Cell, ColumnStats, TableAnswer, TableColumn, TableQuery } from '../data/tables';

/** Rows that are asked at once. */
const PAGE = 100;
/** Pages that are kept. */
const MOST_PAGES = 60;
/** Columns whose headers say what they hold, asked at once. */
const STATS_AT_ONCE = 8;

export class TableRows {
  status = $state<'loading' | 'ready' | 'error'>('loading');
  error = $state.raw<ApiError | null>(null);
  /** Whether what is shown is of the query before. */
  old = $state(false);
  columns = $state.raw<readonly TableColumn[]>([]);
  /** The column that says of which run a row is. */
  runColumn = $state('');
  total = $state(0);
  matched = $state(0);
  readonly stats = new SvelteMap<string, ColumnStats>();
  private readonly pages = new SvelteMap<number, TableAnswer>();
  private readonly asked = new SvelteMap<number, AbortController>();
  private query: TableQuery | null = null;
  private counting: AbortController | null = null;
  /** Of the columns in sight. */
  private seen: readonly string[] = [];

  constructor(private readonly ref: ProjectRef) {}

  /** Asks for something else; what is shown stays until the answer is there. */
  async ask(query: TableQuery): Promise<void> {
    if (JSON.stringify(query) === JSON.stringify(this.query)) return;
    this.stop();
    this.query = query;
    this.old = true;
    if (this.status === 'error') this.status = 'loading';
    const answer = await this.page(0);
    if (!answer || this.query !== query) return;
    this.pages.clear();
    this.pages.set(0, answer);
    this.stats.clear();
    [this.columns, this.total, this.matched] = [answer.columns, answer.total, answer.matched];
    this.runColumn = answer.source_columns?.run ?? '';
    [this.status, this.error, this.old] = ['ready', null, false];
    void this.count();
  }

  /** Asks what the columns hold that come into sight. */
  tell(names: readonly string[]): void {
    this.seen = names;
    if (this.status === 'ready' && !this.old && !this.counting) void this.count();
  }

  /** Once more, after an error. */
  again(): void {
    const query = this.query;
    this.query = null;
    this.status = 'loading';
    if (query) void this.ask(query);
  }

  /** The cells of a row; null while they are not there. */
  row(place: number): Cell[] | null {
    const page = this.pages.get(Math.floor(place / PAGE));
    return page?.cells.map((cells) => cells[place % PAGE] ?? null) ?? null;
  }

  /** The number of a row in its table; its place where there is none. */
  numberOf(place: number): number {
    return this.pages.get(Math.floor(place / PAGE))?.rows[place % PAGE] ?? place;
  }

  /** Asks for rows that come into sight, and no more for those that have left it. */
  show(from: number, to: number): void {
    if (this.status !== 'ready') return;
    const [first, last] = [Math.floor(from / PAGE), Math.floor(Math.max(from, to - 1) / PAGE)];
    for (const [number, controller] of this.asked) if (number < first || number > last) controller.abort();
    for (let number = first; number <= last; number++)
      if (!this.pages.has(number) && !this.asked.has(number)) void this.add(number);
  }

  private async add(number: number): Promise<void> {
    const query = this.query;
    const answer = await this.page(number);
    if (!answer || this.query !== query) return;
    this.pages.set(number, answer);
    for (const old of this.pages.keys()) if (this.pages.size > MOST_PAGES) this.pages.delete(old);
  }

  private async page(number: number): Promise<TableAnswer | null> {
    const controller = new AbortController();
    this.asked.set(number, controller);
    try {
      const page = { ...this.query, offset: number * PAGE, limit: PAGE } as TableQuery;
      return await queryTable(this.ref, page, controller.signal);
    } catch (error) {
      if (!controller.signal.aborted) this.failed(error);
      return null;
    } finally {
      if (this.asked.get(number) === controller) this.asked.delete(number);
    }
  }

  private failed(error: unknown): void {
    if (!(error instanceof ApiError)) throw error;
    [this.status, this.error, this.old] = ['error', error, false];
  }

  private async count(): Promise<void> {
    const query = this.query;
    if (!query || query.group?.length) return;
    const controller = new AbortController();
    this.counting = controller;
    const base = { ...query, sort: [], offset: 0, limit: 0 };
    let known = this.columns.map(({ name }) => name);
    try {
      for (;;) {
        const untold = this.seen.filter((name) => known.includes(name) && !this.stats.has(name));
        const stats = untold.slice(0, STATS_AT_ONCE);
        if (stats.length === 0) return;
        known = known.filter((name) => !stats.includes(name));
        const answer = await queryTable(this.ref, { ...base, select: stats, stats }, controller.signal);
        if (controller.signal.aborted) return;
        for (const one of answer.stats ?? []) this.stats.set(one.name, one);
      }
    } catch (error) {
      // The rows are there; a header without its picture is still a header.
      if (!controller.signal.aborted && !(error instanceof ApiError)) throw error;
    } finally {
      if (this.counting === controller) this.counting = null;
    }
  }

  private stop(): void {
    for (const controller of this.asked.values()) controller.abort();
    this.asked.clear();
    this.counting?.abort();
    this.counting = null;
  }

  close(): void {
    this.stop();
    this.query = null;
  }
}
