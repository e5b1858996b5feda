/** Histograms of some steps as ridges: one behind another, values from left to right. */
import { densityOf, type Column } from './columns';

/** What is drawn at once; more would lie on one another. */
export const MOST_RIDGES = 24;

/** Some of the columns at even distances, the first and the last among them. */
export function chosenColumns(columns: readonly Column[], most = MOST_RIDGES): Column[] {
  if (columns.length <= most) return [...columns];
  return Array.from(
    { length: most },
    (_, i) => columns[Math.round((i * (columns.length - 1)) / (most - 1))] as Column,
  );
}

/** The outline of a column: value and density, two points a bin; begins and ends at density 0. */
export function outlineOf(column: Column): [value: number, density: number][] {
  if (column.counts.length === 0) return [];
  const points = column.counts.flatMap((_, bin): [number, number][] => {
    const density = densityOf(column, bin);
    return [
      [column.edges[bin] as number, density],
      [column.edges[bin + 1] as number, density],
    ];
  });
  return [[column.edges[0] as number, 0], ...points, [column.edges.at(-1) as number, 0]];
}

/** The density that a height stands for: the greatest of these columns. */
export const greatestOf = (columns: readonly Column[]): number =>
  Math.max(0, ...columns.flatMap((column) => outlineOf(column).map(([, density]) => density)));
