/** The runs of a project as the sidebar shows them: queried, then kept up to date by the live channel. */
import { ApiError, queryRuns, type ProjectRef } from '../data/api';
import type { LiveHandlers } from '../data/liveSocket';
import type { RunColumns, RunsQuery, SortDir } from '../data/types';
import { BASE_COLUMNS, patchRows, rowsOf, summaryColumn, type RunRow } from './runRows';

export interface RunListQuery {
  search: string;
  sort: { k: string; dir: SortDir };
  /** Escaped summary key shown beside each run. */
  value: string | null;
}

/** The server's page; a project with more says so and pages on. */
const PAGE = 500;
/** The most that the server follows in one subscription. */
const LIVE_ROWS = 1000;
/** New and moved runs come together rather than one by one. */
const REORDER_MILLIS = 1000;

export class RunList {
  rows = $state.raw<RunRow[]>([]);
  matched = $state(0);
  total = $state(0);
  status = $state<'loading' | 'ready' | 'error'>('loading');
  error = $state.raw<ApiError | null>(null);
  /** Changes of order that wait until the pointer leaves the list. */
  waiting = $state(0);

  private query: RunListQuery | null = null;
  private abort: AbortController | null = null;
  private unsubscribe: (() => void) | null = null;
  private timer: number | null = null;
  private limit = PAGE;
  private pointerInside = false;

  constructor(
    private readonly ref: ProjectRef,
    private readonly subscribe: (body: Record<string, unknown>, handlers: LiveHandlers) => () => void,
    private readonly changed: () => void,
  ) {}

  /** Shows another search, order or value. */
  setQuery(query: RunListQuery): void {
    if (JSON.stringify(query) === JSON.stringify(this.query)) return;
    this.query = query;
    this.limit = PAGE;
    void this.load();
  }

  /** Asks again; keeps the rows meanwhile. */
  refresh(): void {
    void this.load();
  }

  loadMore(): void {
    this.limit += PAGE;
    void this.load();
  }

  setPointerInside(inside: boolean): void {
    this.pointerInside = inside;
    if (!inside && this.waiting > 0) this.refresh();
  }

  close(): void {
    this.abort?.abort();
    this.unsubscribe?.();
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private body(query: RunListQuery, offset: number, limit: number): RunsQuery {
    const columns = query.value ? [...BASE_COLUMNS, summaryColumn(query.value)] : BASE_COLUMNS;
    const search = query.search ? { search: { q: query.search, mode: 'regex' as const } } : {};
    return { columns, sort: [query.sort], limit, offset, ...search };
  }

  private async load(): Promise<void> {
    const query = this.query;
    if (!query) return;
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    const column = query.value ? summaryColumn(query.value) : null;
    try {
      const rows: RunRow[] = [];
      let version: number | null = null;
      for (let offset = 0; offset < this.limit; offset += PAGE) {
        const answer = await queryRuns(this.ref, this.body(query, offset, PAGE), abort.signal);
        rows.push(...rowsOf(answer, column));
        version ??= answer.version;
        this.matched = answer.matched;
        this.total = answer.total;
        if (answer.ids.length < PAGE) break;
      }
      this.rows = rows;
      this.waiting = 0;
      this.status = 'ready';
      this.error = null;
      this.follow(query, version);
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') return;
      if (!(error instanceof ApiError)) throw error;
      this.error = error;
      this.status = 'error';
    }
  }

  private follow(query: RunListQuery, since: number | null): void {
    this.unsubscribe?.();
    const body = {
      ch: 'runs',
      ...this.ref,
      query: this.body(query, 0, Math.min(this.limit, LIVE_ROWS)),
      since,
    };
    this.unsubscribe = this.subscribe(body, {
      gap: () => this.refresh(),
      message: (message) => this.patch(message, query),
    });
  }

  private patch(message: Record<string, unknown>, query: RunListQuery): void {
    if (message['t'] !== 'runs')
      throw new Error(`the runs subscription was refused: ${JSON.stringify(message)}`);
    const upsert = rowsOf(message['upsert'] as RunColumns, query.value ? summaryColumn(query.value) : null);
    const { rows, fresh } = patchRows(this.rows, upsert, (message['remove'] as string[] | undefined) ?? []);
    this.rows = rows;
    if (typeof message['matched'] === 'number') this.matched = message['matched'];
    if (typeof message['total'] === 'number') this.total = message['total'];
    this.changed();
    if (!fresh && message['moved'] !== true) return;
    if (this.pointerInside) this.waiting++;
    else
      this.timer ??= setTimeout(() => {
        this.timer = null;
        if (this.pointerInside) this.waiting++;
        else this.refresh();
      }, REORDER_MILLIS) as unknown as number;
  }
}
