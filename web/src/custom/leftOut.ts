/** Which rows Vega-Lite does not draw, because there is no number where one has to be. */
import type { ChartRow, Json, Spec } from '../data/chartData';
import { madeColumns } from './checks';
import { fieldPath } from './template';

const PLACES = ['x', 'y', 'x2', 'y2', 'theta', 'radius', 'longitude', 'latitude', 'color', 'size', 'opacity'];
const NUMBERS = new Set<Json | undefined>(['quantitative', 'temporal']);

type Members = Readonly<Record<string, Json>>;
const membersOf = (value: Json | undefined): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};

/** The paths of the fields that say where or how large each row is drawn, and whether they are times. */
function placed(view: Members, found: Map<string, boolean>): void {
  const encoding = membersOf(view['encoding']);
  for (const place of PLACES) {
    const { field, type, aggregate, impute, timeUnit } = membersOf(encoding[place]);
    const isPlace = typeof field === 'string' && NUMBERS.has(type);
    if (isPlace && !aggregate && !impute && !timeUnit) found.set(field, type === 'temporal');
  }
  const { layer, spec } = view;
  if (Array.isArray(layer)) for (const one of layer) placed(membersOf(one), found);
  if (spec !== undefined) placed(membersOf(spec), found);
}

/** Whether Vega draws a cell as a number; it reads texts of times itself. */
function isNumber(cell: unknown, isTime: boolean): boolean {
  if (cell === null || cell === undefined || cell === '') return false;
  return (isTime && typeof cell === 'string') || Number.isFinite(Number(cell));
}

/** Whether a specification says itself what becomes of cells that are no numbers. */
const saysItself = (value: Json): boolean =>
  typeof value === 'object' &&
  value !== null &&
  ('invalid' in value || 'impute' in value || Object.values(value).some(saysItself));

/** How many rows have no number where a specification of Vega-Lite draws one. */
export function leftOut(
  filled: Spec,
  rows: readonly ChartRow[],
  columns: readonly { name: string }[],
): number {
  if (saysItself(filled)) return 0;
  const paths = new Map<string, boolean>();
  placed(filled, paths);
  const made = madeColumns(filled);
  const names = columns.flatMap(({ name }) => {
    const isTime = paths.get(fieldPath(name));
    return isTime === undefined || made?.has(name) ? [] : [{ name, isTime }];
  });
  const isDrawn = (row: ChartRow) => names.every(({ name, isTime }) => isNumber(row[name], isTime));
  return rows.reduce((sum, row) => sum + (isDrawn(row) ? 0 : 1), 0);
}

/** What to say of them; nothing where there are none. */
export const leftOutText = (count: number): string | null =>
  count === 0 ? null : `${count.toLocaleString('en-US')} ${count === 1 ? 'row' : 'rows'} left out: no number`;
