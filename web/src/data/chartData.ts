/** Custom charts as the server has them: their rows, their specifications, and which there are. */
import type { CellKind } from './tables';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
/** A specification of Vega or Vega-Lite. */
export type Spec = Record<string, Json>;

export type ChartRow = Record<string, unknown>;
export type ChartSource = 'runs' | 'summary' | 'config' | 'history' | 'summaryTable' | 'historyTable';
export const SOURCES: readonly ChartSource[] = [
  'summaryTable',
  'historyTable',
  'history',
  'runs',
  'summary',
  'config',
];

/** What `chartdata:query` is asked, but for the runs. */
export interface ChartQuery {
  source: ChartSource;
  key?: string;
  keys?: string[];
  columns?: string[];
  where?: string;
  /** Of tables: that step, or the last one before. */
  step?: number;
}

export interface ChartColumn {
  name: string;
  kind: CellKind;
}

export interface ChartAnswer {
  rows: ChartRow[];
  columns: ChartColumn[];
  missing: { run: string; reason: string }[];
  truncated: { shown: number; total: number; reason: string } | null;
}

/** A chart as `charts:index` answers it. */
export interface LoggedChart {
  key: string;
  runs: string[];
  form: 'visualize' | 'viz';
  panel: Readonly<Record<string, unknown>>;
}

/** How a chart is drawn, as `chart-panels` answers it. */
export interface SavedPanel {
  name: string;
  panel: Readonly<Record<string, unknown>>;
}
