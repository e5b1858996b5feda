/** What the charts of one page share: crosshair, zoom, colours, the loader. */
import { untrack } from 'svelte';
import type { Run } from '../data/types';
import { orderedLabels, type Look } from '../state/colors';
import type { PanelLoader } from '../state/panelLoader';

/** What was logged at a place of a chart: the place on its axis, the key and the writer, where that is one. */
export interface ChartPoint {
  x: number;
  key: string;
  label: string | null;
}

export interface BoardActions {
  /** Shows an x range everywhere, or all with null. */
  zoom: (range: [number, number] | null) => void;
  enlarge: (key: string | null) => void;
  flipLog: (key: string) => void;
  isLog: (key: string) => boolean;
  /** Whether x is wall time (epoch milliseconds). */
  isWall: () => boolean;
  /** Marks the moment of a point; without it there is nothing to be marked. */
  mark?: (point: ChartPoint) => void;
}

/** An x that all charts of a section mark. */
export interface Crosshair {
  section: string;
  x: number;
  /** The one chart that is being read, and where on its plot in CSS pixels: only this has a tooltip. */
  at: { key: string; left: number; top: number; point?: () => ChartPoint | null };
}

const NONE: ReadonlyMap<string, never> = new Map<string, never>();

const namesOf = (id: string, run: Run | null): ReadonlyMap<string, string> =>
  new Map([[id, run?.name ?? id]]);

export class Board {
  crosshair = $state.raw<Crosshair | null>(null);
  /** The x of the marked moment; null for none, or while it is not known. */
  marked = $state<number | null>(null);
  /** The run under the pointer in the sidebar. */
  highlight = $state<string | null>(null);
  looks = $state.raw<ReadonlyMap<string, Look>>(NONE);
  /** Labels of a run that its charts may not all have. */
  writers = $state.raw<readonly { run: string; label: string }[]>([]);
  /** Whether a run on screen was seen to have several writers. */
  hasWriters = $state(false);
  names = $state.raw<ReadonlyMap<string, string>>(NONE);
  /** Whether axis labels can be drawn. */
  fonts = $state(false);

  constructor(
    readonly loader: PanelLoader,
    private readonly actions: BoardActions,
  ) {}

  /** Names and writers of the one run that the page is about. */
  follow(id: string, run: Run | null): void {
    this.names = namesOf(id, run);
    // A list with the same labels is the same list: nothing is drawn again for it.
    const labels = orderedLabels((run?.writers ?? []).map((writer) => writer.label));
    const held = untrack(() => this.writers);
    if (labels.join('\n') !== held.map((writer) => writer.label).join('\n'))
      this.writers = labels.map((label) => ({ run: id, label }));
    if (labels.length > 1) this.hasWriters = true;
  }

  zoom(range: [number, number] | null): void {
    // It would stay at an x that is no longer under the pointer.
    this.crosshair = null;
    this.actions.zoom(range);
  }

  /** Whether moments can be marked. */
  get marks(): boolean {
    return this.actions.mark !== undefined;
  }

  mark(point: ChartPoint | null): void {
    if (point) this.actions.mark?.(point);
  }

  /** The point that is being read; null for none. */
  get read(): ChartPoint | null {
    return this.crosshair?.at.point?.() ?? null;
  }

  /** Zooms to the neighbourhood of x. */
  centre(x: number): void {
    // Of a time since 1970 a share would be a year.
    const reach = this.isWall() ? 60_000 : Math.max(50, Math.abs(x) * 0.02);
    this.actions.zoom([x - reach, x + reach]);
  }

  enlarge(key: string | null): void {
    this.actions.enlarge(key);
  }

  flipLog(key: string): void {
    this.actions.flipLog(key);
  }

  isLog(key: string): boolean {
    return this.actions.isLog(key);
  }

  isWall(): boolean {
    return this.actions.isWall();
  }
}
