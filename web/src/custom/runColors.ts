/** Colours by run, in specifications that group or count rows: what is made of rows has no colour of its own. */
import type { ChartRow, Json, Spec } from '../data/chartData';
import { madeColumns, visit } from './checks';

const NAMES: ReadonlySet<Json | undefined> = new Set(['name', '_name']);
const COLORS: ReadonlySet<Json | undefined> = new Set(['color', '_color']);

/** By the names in a column the colours in another; null where a name has several, or none. */
function colorsOf(rows: readonly ChartRow[], name: string, color: string): Map<string, string> | null {
  const found = new Map<string, string>();
  for (const row of rows) {
    const [of, is] = [row[name], row[color]];
    if (typeof of !== 'string' || typeof is !== 'string' || (found.get(of) ?? is) !== is) return null;
    found.set(of, is);
  }
  return found;
}

/**
 * The specification of Vega-Lite with the names and colours of the runs written out where a scale of `name` has
 * the range `{"field": "color"}`: Vega-Lite would look for them in what its transforms make.
 */
export function withRunColors(spec: Spec, rows: readonly ChartRow[]): Spec {
  const copy = structuredClone(spec);
  const made = madeColumns(spec);
  visit(copy, ({ field, scale }) => {
    const its = scale as { range?: { field?: Json }; domain?: Json } | null | undefined;
    const color = its?.range?.field;
    if (!its || !NAMES.has(field) || !COLORS.has(color) || 'domain' in its || made?.has(String(field)))
      return;
    const colors = colorsOf(rows, String(field), String(color));
    if (!colors) return;
    const names = [...colors.keys()].sort();
    Object.assign(its, { domain: names, range: names.map((name) => colors.get(name)) });
  });
  return copy;
}
