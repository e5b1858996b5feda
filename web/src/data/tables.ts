/** Tables as the server answers them. */
import type { Exact } from './exactJson';

/** A key of a run that holds tables, with what the last step has. */
export interface LoggedTable {
  key: string;
  label: string;
  steps: number[];
  ncols: number | null;
  nrows: number | null;
}

/** Of the finite values: bins of one width from `lo` to `hi`. */
export interface Histogram {
  lo: number | Exact;
  hi: number | Exact;
  counts: number[];
}

export type CellKind = 'int' | 'float' | 'bool' | 'text' | 'time' | 'media' | 'json' | 'hist';
/** Floats that are no numbers are texts; times are milliseconds; media and json are JSON text. */
export type Cell = number | Exact | string | boolean | null | Histogram;

export interface TableColumn {
  name: string;
  kind: CellKind;
  /** As the file says it; empty where it does not. */
  type: string;
}

export interface TableSource {
  run: string;
  key: string;
  step: number | 'latest';
  label?: string;
}

export interface SortKey {
  k: string;
  dir: 'asc' | 'desc';
}

export interface TableQuery {
  sources: TableSource[];
  combine?: { join: string[]; how: 'inner' | 'left' | 'outer' };
  select?: string[];
  where?: string;
  group?: string[];
  aggs?: Record<string, string[]>;
  sort?: SortKey[];
  offset?: number;
  limit?: number;
  stats?: string[];
}

export interface ColumnStats {
  name: string;
  kind: CellKind;
  nulls: number;
  nans: number;
  distinct: number;
  /** Whether `distinct` is one. */
  is_estimate: boolean;
  min: Cell;
  max: Cell;
  histogram?: Histogram | null;
  top?: [Cell, number][];
}

export interface TableAnswer {
  columns: TableColumn[];
  /** A list for each column. */
  cells: Cell[][];
  /** Rows that the filter leaves. */
  matched: number;
  /** Rows, or groups, that can be paged through. */
  total: number;
  /** The number of each row; empty for groups and more than one table. */
  rows: number[];
  /** Of several tables one after another, in which column the run of each row is. */
  source_columns?: { run: string; step: string };
  stats?: ColumnStats[];
}
