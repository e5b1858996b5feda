/** A table's cells as texts, and the files that they stand for. */
import { formatInstant, formatValue } from '../chart/format';
import { exactText, numberOf } from '../data/exactJson';
import type { Cell, CellKind, Histogram } from '../data/tables';
import { barsOf, type Bars } from '../media/value/bars';

/** Of floats in a line; all of them are in the row's own view. */
const DIGITS = 6;

/** What a row says of a file. */
export interface MediaCell {
  type: string;
  sha256: string | null;
  path: string;
  caption: string;
}

/** Where the cell leads that says of which run a row is, and what stands there instead; null for nowhere. */
export type LinkOf = (cell: Cell) => { text: string; href: string } | null;

export const histogramOf = (cell: Cell): Histogram | null =>
  cell !== null && typeof cell === 'object' && 'counts' in cell ? cell : null;

const binsText = ({ lo, hi, counts }: Histogram): string => {
  const [from, to] = [lo, hi].map((end) => formatValue(numberOf(end) ?? NaN, DIGITS));
  return `${counts.reduce((sum, count) => sum + count, 0).toLocaleString('en-US')} values, ${from} to ${to}`;
};

/** In one line; missing values have none. */
export function cellText(cell: Cell, kind: CellKind): string {
  if (cell === null) return '';
  const histogram = histogramOf(cell);
  if (histogram) return binsText(histogram);
  if (kind === 'time') return instantOf(numberOf(cell) ?? NaN, (millis) => formatInstant(millis / 1000));
  if (kind === 'float') return typeof cell === 'string' ? cell : formatValue(numberOf(cell) ?? NaN, DIGITS);
  if (kind === 'media') return mediaOf(cell)?.path.split('/').at(-1) ?? String(cell);
  return exactText(cell);
}

/** All of it. */
export function wholeText(cell: Cell, kind: CellKind): string {
  if (cell === null) return '';
  const histogram = histogramOf(cell);
  if (histogram) return binsText(histogram);
  if (kind === 'time') return instantOf(numberOf(cell) ?? NaN, (millis) => new Date(millis).toISOString());
  if (kind !== 'json' && kind !== 'media') return exactText(cell);
  try {
    // What has digits that would be lost, or NaN, stays as it is.
    const value: unknown = JSON.parse(String(cell));
    if (typeof value === 'string') return value;
    const compact = JSON.stringify(value);
    return compact === String(cell).replace(/(?<=[,:]) /g, '')
      ? JSON.stringify(value, null, 2)
      : String(cell);
  } catch {
    return String(cell);
  }
}

/** What no date can hold stays in milliseconds. */
const LAST_INSTANT_MILLIS = 8.64e15;

const instantOf = (millis: number, format: (millis: number) => string): string =>
  Math.abs(millis) <= LAST_INSTANT_MILLIS ? format(millis) : `${millis} ms`;

/** Whatever a row says, an address is made of nothing else. */
const HASH = /^[0-9a-f]{64}$/;

/** The bars of a cell that is a histogram. */
export function barsIn(cell: Cell, kind: CellKind): Bars | null {
  if (kind !== 'json' || typeof cell !== 'string' || !cell.includes('"histogram"')) return null;
  try {
    return barsOf(JSON.parse(cell));
  } catch {
    return null;
  }
}

/** The file that a cell stands for. */
export function mediaOf(cell: Cell): MediaCell | null {
  if (typeof cell !== 'string') return null;
  try {
    const value = JSON.parse(cell) as Record<string, unknown>;
    const text = (name: string) => (typeof value[name] === 'string' ? value[name] : '');
    return {
      type: text('_type'),
      sha256: HASH.test(text('sha256')) ? text('sha256') : null,
      path: text('path'),
      caption: text('caption'),
    };
  } catch {
    return null;
  }
}

/** A condition that a column has a value, in the language of the query bar. */
export function isValue(name: string, cell: Cell, kind: CellKind): string {
  const column =
    /^[a-z_]\w*$/i.test(name) && !RESERVED.test(name) ? name : `\`${name.replaceAll('`', '``')}\``;
  if (cell === null) return `${column} is null`;
  if (cell === 'NaN' && kind === 'float') return `${column} != ${column}`;
  if (typeof cell === 'boolean') return cell ? column : `not ${column}`;
  if (kind === 'json') return `${column} = ${jsonLiteral(String(cell))}`;
  return `${column} = ${typeof cell === 'string' && kind !== 'float' ? quoted(cell) : exactText(cell)}`;
}

const RESERVED = /^(and|or|not|in|is|like|contains|matches|true|false|null)$/i;
const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

function jsonLiteral(text: string): string {
  return text.startsWith('"') ? quoted(JSON.parse(text) as string) : text;
}
