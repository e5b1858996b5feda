/** Runs as rows, out of the columnar answers of the server and its live updates. */
import { keySegments } from '../data/keys';
import type { RunColumns, RunState } from '../data/types';

export interface RunRow {
  id: string;
  name: string;
  state: RunState;
  created: number;
  updated: number;
  duration: number | null;
  /** The chosen summary value, a number perhaps as `Exact`; undefined when the run has none. */
  value: unknown;
}

export const BASE_COLUMNS = ['name', 'state', 'created', 'updated', 'duration'];

/** The column of a summary key. */
export const summaryColumn = (key: string): string => `summary.${key}`;

function cell(columns: RunColumns, name: string, row: number): unknown {
  const value = columns.cols[name]?.[row];
  const dict = columns.dict?.[name];
  return dict && typeof value === 'number' ? dict[value] : value;
}

/** Reads rows; `valueColumn` is the one shown beside each run. */
export function rowsOf(columns: RunColumns, valueColumn: string | null): RunRow[] {
  return columns.ids.map((id, row) => {
    const number = (name: string) => {
      const value = cell(columns, name, row);
      return typeof value === 'number' ? value : 0;
    };
    const duration = cell(columns, 'duration', row);
    return {
      id,
      name: String(cell(columns, 'name', row) ?? id),
      state: (cell(columns, 'state', row) ?? 'pending') as RunState,
      created: number('created'),
      updated: number('updated'),
      duration: typeof duration === 'number' ? duration : null,
      value: valueColumn ? (cell(columns, valueColumn, row) ?? undefined) : undefined,
    };
  });
}

/** Rows after a live update: known runs change in place; `fresh` says whether others came that are not held. */
export function patchRows(
  rows: readonly RunRow[],
  upsert: readonly RunRow[],
  removed: readonly string[],
): { rows: RunRow[]; fresh: boolean } {
  const changes = new Map(upsert.map((row) => [row.id, row]));
  const gone = new Set(removed);
  const kept = rows.filter((row) => !gone.has(row.id)).map((row) => changes.get(row.id) ?? row);
  const known = new Set(kept.map((row) => row.id));
  return { rows: kept, fresh: upsert.some((row) => !known.has(row.id)) };
}

/** A value of nested `summary` or `config` by escaped key. */
export function valueAt(tree: Record<string, unknown>, key: string): unknown {
  let value: unknown = tree;
  for (const segment of keySegments(key)) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[segment];
  }
  return value;
}
