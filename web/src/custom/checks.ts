/** What is wrong with a specification of Vega-Lite where Vega-Lite itself has no words, or wrong ones, for it. */
import type { Json, Spec } from '../data/chartData';

/** Where something is: a JSON pointer. */
export interface Finding {
  message: string;
  path: string;
}

const MARKS = new Set(
  'arc area bar boxplot circle errorband errorbar geoshape image line point rect rule square text tick trail'.split(
    ' ',
  ),
);
const TYPES = new Set(['quantitative', 'temporal', 'ordinal', 'nominal', 'geojson']);
const VIEWS = ['layer', 'hconcat', 'vconcat', 'concat'];

type Members = { [name: string]: Json };
const isObject = (value: Json | undefined): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** The place of a member. */
export const below = (path: string, name: string | number): string =>
  `${path}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** The first thing in a view, or the views in it, that cannot be drawn. */
export function firstFault(view: Json, path = ''): Finding | null {
  if (!isObject(view)) return { message: 'A view is an object', path };
  return markFault(view, path) ?? encodingFault(view, path) ?? innerFault(view, path);
}

function markFault(view: Members, path: string): Finding | null {
  const { mark } = view;
  if (mark === undefined) return null;
  const at = below(path, 'mark');
  const type = isObject(mark) ? mark['type'] : mark;
  if (typeof type === 'string' && MARKS.has(type)) return null;
  return {
    message: `${JSON.stringify(type) ?? 'Nothing'} is no mark: it is one of ${[...MARKS].join(', ')}`,
    path: isObject(mark) && 'type' in mark ? below(at, 'type') : at,
  };
}

function encodingFault({ encoding }: Members, path: string): Finding | null {
  if (encoding === undefined) return null;
  const at = below(path, 'encoding');
  if (!isObject(encoding))
    return { message: 'An encoding is an object: channels and what they show', path: at };
  for (const [channel, shown] of Object.entries(encoding)) {
    const type = isObject(shown) ? shown['type'] : undefined;
    if (type === undefined || (typeof type === 'string' && TYPES.has(type))) continue;
    return {
      message: `${JSON.stringify(type)} is no type: it is one of ${[...TYPES].join(', ')}`,
      path: below(below(at, channel), 'type'),
    };
  }
  return null;
}

function innerFault(view: Members, path: string): Finding | null {
  for (const name of VIEWS) {
    const inner = view[name];
    if (inner === undefined) continue;
    const at = below(path, name);
    if (!Array.isArray(inner)) return { message: `${name} is a list of views`, path: at };
    for (const [i, one] of inner.entries()) {
      const found = firstFault(one, below(at, i));
      if (found) return found;
    }
  }
  return view['spec'] === undefined ? null : firstFault(view['spec'], below(path, 'spec'));
}

/** Transforms whose columns have names that rows say. */
const FREE = ['pivot', 'lookup', 'flatten', 'fold'];

/** Of transforms that may say no names the columns that they make. */
const UNNAMED: Readonly<Record<string, readonly string[]>> = {
  density: ['value', 'density'],
  quantile: ['prob', 'value'],
};

/** The columns that a specification makes; null where only its rows say which these are. */
export function madeColumns(spec: Spec): ReadonlySet<string> | null {
  const made = new Set<string>();
  let isFree = 'datasets' in spec;
  visit(spec, (value) => {
    isFree ||=
      FREE.some((name) => name in value) || (isObject(value['data']) && value['data']['name'] !== 'wandb');
    const unnamed = Object.entries(UNNAMED).flatMap(([name, columns]) => (name in value ? columns : []));
    for (const name of [value['as'] ?? unnamed].flat()) if (typeof name === 'string') made.add(name);
  });
  return isFree ? null : made;
}

/** Looks at each object in a specification, with its place (a JSON pointer). */
export function visit(value: Json, look: (value: Members, path: string) => void, path = ''): void {
  if (Array.isArray(value)) return value.forEach((one, i) => visit(one, look, below(path, i)));
  if (!isObject(value)) return;
  look(value, path);
  for (const [name, one] of Object.entries(value)) visit(one, look, below(path, name));
}

/** The fields of encodings that no column has, and nothing in the specification makes. */
export function unknownColumns(spec: Spec, columns: ReadonlySet<string>): Finding[] {
  const made = madeColumns(spec);
  if (!made) return [];
  const used: Finding[] = [];
  visit(spec, ({ field }, path) => {
    if (typeof field === 'string' && path.includes('/encoding/') && !/(^|[^\\])[.[]/.test(field))
      used.push({ message: field.replace(/\\([^])/g, '$1'), path: below(path, 'field') });
  });
  return used
    .filter(({ message }) => !made.has(message) && !columns.has(message))
    .map(({ message, path }) => ({ message: `There is no column “${message}” in the rows`, path }));
}
