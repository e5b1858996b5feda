/**
 * Fetches and keeps up to date the charts that are on screen: one request for all of them, one live
 * subscription, at most four repaints a second. Plain objects: series data never enters `$state`.
 */
import { ApiError, querySeries, type ProjectRef, type SeriesAnswer } from '../data/api';
import type { LiveHandlers } from '../data/liveSocket';
import { PanelData, type PanelFrame } from '../data/panelData';
import type { PanelQuery, XAxis } from '../data/types';

export interface LoaderContext {
  runs: readonly string[];
  x: XAxis;
  range: [number, number] | null;
  /** Whether the writers of a run are drawn as one: their mean and range. */
  together: boolean;
}

export type SlotStatus = 'idle' | 'loading' | 'ready' | 'error';

/** What a chart is drawn from. */
export interface Slot {
  readonly key: string;
  px: number;
  status: SlotStatus;
  /** The last data, also while newer is on its way. */
  data: PanelData | null;
  /** The x axis and zoom that `data` was asked with. */
  context: LoaderContext | null;
  error: ApiError | null;
}

export interface LoaderDeps {
  query: (panels: readonly PanelQuery[], signal: AbortSignal) => Promise<SeriesAnswer>;
  subscribe: (body: Record<string, unknown>, handlers: LiveHandlers) => () => void;
  hidden: () => boolean;
  /** What a chart is drawn from; the key that it is called by, if not said. */
  sourceOf?: (key: string) => PanelSource;
}

/** What of a query is a chart's own. */
export type PanelSource = Pick<PanelQuery, 'series' | 'agg'>;

const FIELDS = ['first', 'min', 'max', 'last', 'mean', 'n'];
/** Long enough to gather the panels that one scroll reveals, too short to notice. */
const GATHER_MILLIS = 25;
const REPAINT_MILLIS = 250;

interface Entry {
  slot: Slot;
  listeners: Set<(slot: Slot) => void>;
  /** What was asked; null when nothing usable is held or on its way. */
  asked: string | null;
  version: number | null;
  repaint: number | null;
  paintedAt: number;
}

const metricOf = (key: string): PanelSource => ({ series: [{ metric: key }] });

export class PanelLoader {
  /** Null until the page knows its runs. */
  private context: LoaderContext | null = null;
  private readonly entries = new Map<string, Entry>();
  private timer: number | null = null;
  private readonly aborts = new Set<AbortController>();
  private endSubscription: (() => void) | null = null;
  private subscribed = '';

  constructor(
    private readonly ref: ProjectRef,
    private readonly deps: LoaderDeps,
  ) {}

  /** A loader on the real server and socket. */
  static for(
    ref: ProjectRef,
    subscribe: LoaderDeps['subscribe'],
    sourceOf: (key: string) => PanelSource = metricOf,
  ): PanelLoader {
    return new PanelLoader(ref, {
      query: (panels, signal) => querySeries(ref, panels, signal),
      subscribe,
      hidden: () => document.hidden,
      sourceOf,
    });
  }

  /** Other runs, another x axis or zoom: every chart on screen is asked again and keeps its picture meanwhile. */
  setContext(context: LoaderContext): void {
    if (JSON.stringify(context) === JSON.stringify(this.context)) return;
    this.context = context;
    for (const abort of this.aborts) abort.abort();
    for (const entry of this.entries.values()) {
      // What was on its way will not come, also when the same is wanted again.
      if (entry.slot.status === 'loading') entry.asked = null;
      // Without runs there was nothing to draw; now nobody knows yet.
      if (context.runs.length > 0 && entry.slot.status === 'ready' && !entry.slot.data)
        this.settle(entry, { status: 'loading' });
    }
    this.schedule();
  }

  /** A chart comes on screen; `px` is its width in device pixels. Returns its leaving. */
  show(key: string, px: number, listener: (slot: Slot) => void): () => void {
    let entry = this.entries.get(key);
    if (!entry) {
      const slot: Slot = { key, px, status: 'idle', data: null, context: null, error: null };
      entry = { slot, listeners: new Set(), asked: null, version: null, repaint: null, paintedAt: 0 };
      this.entries.set(key, entry);
    }
    const shown = entry;
    shown.slot.px = Math.max(px, shown.listeners.size ? shown.slot.px : 0);
    shown.listeners.add(listener);
    listener(shown.slot);
    this.schedule();
    return () => {
      shown.listeners.delete(listener);
      if (shown.listeners.size > 0) return;
      if (shown.repaint !== null) clearTimeout(shown.repaint);
      this.entries.delete(key);
      this.schedule();
    };
  }

  /** Asks again for one chart (Retry), or for all of them (reconnected, gap). */
  refresh(key?: string): void {
    for (const entry of this.entries.values()) {
      if (key !== undefined && entry.slot.key !== key) continue;
      entry.asked = null;
      entry.version = null;
    }
    this.schedule();
  }

  close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    for (const abort of this.aborts) abort.abort();
    this.endSubscription?.();
    this.endSubscription = null;
  }

  /** Call when the page is shown again. */
  resume(): void {
    this.schedule();
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      if (!this.deps.hidden()) this.flush();
    }, GATHER_MILLIS) as unknown as number;
  }

  private panelQuery(slot: Slot, { runs, x, range, together }: LoaderContext): PanelQuery {
    return {
      id: slot.key,
      ...(this.deps.sourceOf ?? metricOf)(slot.key),
      runs: { ids: [...runs] },
      x,
      range,
      px: Math.max(1, Math.round(slot.px)),
      fields: FIELDS,
      beside: true,
      ...(together ? { group: { by: ['run'] as ['run'] } } : {}),
    };
  }

  private flush(): void {
    const context = this.context;
    if (!context) return;
    const due: Entry[] = [];
    for (const entry of this.entries.values()) {
      const wanted = JSON.stringify(this.panelQuery(entry.slot, context));
      if (entry.asked === wanted) continue;
      entry.asked = wanted;
      due.push(entry);
    }
    if (context.runs.length === 0) {
      for (const entry of due) this.settle(entry, { status: 'ready', data: null, error: null });
    } else if (due.length > 0) {
      void this.load(due, context);
    }
    this.follow(context);
  }

  private async load(due: Entry[], context: LoaderContext): Promise<void> {
    const asked = due.map((entry) => entry.asked);
    const panels = due.map((entry) => this.panelQuery(entry.slot, context));
    for (const entry of due) this.settle(entry, { status: 'loading' });
    const abort = new AbortController();
    this.aborts.add(abort);
    const current = (entry: Entry, i: number) => entry.asked !== null && entry.asked === asked[i];
    try {
      const { frames, version } = await this.deps.query(panels, abort.signal);
      due.forEach((entry, i) => {
        const frame = frames[i];
        if (!current(entry, i) || !frame) return;
        entry.version = version;
        this.settle(entry, { status: 'ready', data: new PanelData(frame), error: null, context });
      });
    } catch (error) {
      if (!(error instanceof ApiError)) {
        if (error instanceof DOMException && error.name === 'AbortError') return;
        throw error;
      }
      const stale = due.filter(current);
      // One bad panel must not blank the others: ask for each alone. A busy server is not asked more often.
      if ([400, 404, 413, 500].includes(error.status) && stale.length > 1) {
        for (const entry of stale) void this.load([entry], context);
        return;
      }
      for (const entry of stale) {
        entry.asked = error.status === 0 ? null : entry.asked;
        this.settle(entry, { status: 'error', error });
      }
    } finally {
      this.aborts.delete(abort);
    }
    if (this.context) this.follow(this.context);
  }

  private settle(entry: Entry, change: Partial<Slot>): void {
    Object.assign(entry.slot, change);
    this.paint(entry);
  }

  private paint(entry: Entry): void {
    if (entry.repaint !== null) clearTimeout(entry.repaint);
    entry.repaint = null;
    entry.paintedAt = Date.now();
    for (const listener of entry.listeners) listener(entry.slot);
  }

  /** Subscribes to the charts that are ready, when those are others than before. */
  private follow(context: LoaderContext): void {
    const ready = [...this.entries.values()].filter(
      (entry) => entry.slot.status === 'ready' && entry.slot.data,
    );
    const wanted = ready
      .map((entry) => entry.asked)
      .sort()
      .join('\n');
    if (wanted === this.subscribed) return;
    this.subscribed = wanted;
    this.endSubscription?.();
    this.endSubscription = null;
    if (ready.length === 0) return;
    const known = ready.every((entry) => entry.version !== null);
    const since = known ? Math.min(...ready.map((entry) => entry.version as number)) : null;
    const body = {
      ch: 'series',
      ...this.ref,
      panels: ready.map((entry) => ({ ...this.panelQuery(entry.slot, context), since: entry.version })),
      since,
    };
    this.endSubscription = this.deps.subscribe(body, {
      frames: (frames) => this.patch(frames),
      gap: () => this.refresh(),
      message: (message) => {
        // Only a refusal comes as text: a mistake of ours, which must not pass for live charts.
        throw new Error(`the series subscription was refused: ${JSON.stringify(message)}`);
      },
    });
  }

  private patch(frames: PanelFrame[]): void {
    for (const frame of frames) {
      const entry = this.entries.get(frame.header.id);
      if (!entry || entry.slot.status !== 'ready' || !entry.slot.data) continue;
      if (!entry.slot.data.apply(frame)) {
        this.refresh(entry.slot.key);
        continue;
      }
      if (frame.header.version !== undefined) entry.version = frame.header.version;
      const wait = entry.paintedAt + REPAINT_MILLIS - Date.now();
      if (wait <= 0) this.paint(entry);
      else entry.repaint ??= setTimeout(() => this.paint(entry), wait) as unknown as number;
    }
  }
}
