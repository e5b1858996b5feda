/** A table as a file: the JSON that W&B's `Table` writes. */
import { parseExact } from '../data/exactJson';

export interface TableFile {
  columns: string[];
  rows: unknown[][];
}

/** The table of a text; null when it holds none. Numbers keep their digits. */
export function tableOf(text: string): TableFile | null {
  let value: unknown;
  try {
    value = parseExact(text, true);
  } catch {
    return null;
  }
  const { columns, data } = (value ?? {}) as { columns?: unknown; data?: unknown };
  if (!Array.isArray(columns) || !Array.isArray(data) || !data.every(Array.isArray)) return null;
  return { columns: columns.map(String), rows: data as unknown[][] };
}
