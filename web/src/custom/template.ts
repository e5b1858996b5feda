/** Specifications with `${field:x}` and `${string:title}` in them, as W&B's have: which there are, and what they become. */

import type { Json, Spec } from '../data/chartData';
import { own } from './members';

export interface Names {
  /** Of the specification's names of fields the columns. */
  fields: Readonly<Record<string, string>>;
  /** Of its names of texts those texts. */
  strings: Readonly<Record<string, string>>;
}

/** Members that hold expressions. */
export const EXPRESSIONS: ReadonlySet<string> = new Set(
  'calculate filter test expr signal update labelExpr init'.split(' '),
);

const TEMPLATE = /\$\{(field|string):([^}]*)\}/g;
/** `datum.${field:x}`, which is right for some columns alone. */
const MEMBER = /\bdatum\.(\$\{field:[^}]*\})/g;
const WHOLE = /^\$\{field:([^}]*)\}$/;
/** Members whose texts are read by people, or are names of columns to be made: nothing is escaped there. */
const PLAIN = new Set(['title', 'text', 'description', 'name', 'as', 'subtitle', 'datum']);

/** The names of fields and texts that a specification asks for, each once, in the order of the text. */
export function asked(spec: Json): { fields: string[]; strings: string[] } {
  const found = { fields: new Set<string>(), strings: new Set<string>() };
  const look = (value: Json): void => {
    if (typeof value === 'string')
      for (const [, kind, name] of value.matchAll(TEMPLATE))
        found[kind === 'field' ? 'fields' : 'strings'].add(name as string);
    else if (Array.isArray(value)) value.forEach(look);
    else if (value !== null && typeof value === 'object') Object.values(value).forEach(look);
  };
  look(spec);
  return { fields: [...found.fields], strings: [...found.strings] };
}

/** A column as Vega finds it: dots and brackets would lead into what a cell holds. */
export const fieldPath = (column: string): string => column.replace(/[\\.[\]]/g, (char) => `\\${char}`);

/** A text as it stands within either kind of quotes. */
export const quoted = (text: string): string =>
  JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\u2028\u2029]/g, (char) => (char === '\u2028' ? '\\u2028' : '\\u2029'))
    .replaceAll("'", "\\'");

function filled(text: string, names: Names, member: string): string {
  const whole = WHOLE.exec(text);
  const column = whole && own(names.fields, whole[1] as string);
  if (column !== null && column !== undefined) return PLAIN.has(member) ? column : fieldPath(column);
  const safe = EXPRESSIONS.has(member) ? text.replace(MEMBER, "datum['$1']") : text;
  return safe.replace(TEMPLATE, (said: string, kind: string, name: string) => {
    if (kind === 'string') return own(names.strings, name) ?? '';
    const of = own(names.fields, name);
    if (of === undefined) return said;
    return PLAIN.has(member) ? of : quoted(of);
  });
}

/** The specification with columns and texts in place; a field without a column stays as it is. */
export function fill<T extends Json>(spec: T, names: Names, member = ''): T {
  if (typeof spec === 'string') return filled(spec, names, member) as T;
  if (Array.isArray(spec)) return spec.map((one) => fill(one, names, member)) as T;
  if (spec === null || typeof spec !== 'object') return spec;
  return Object.fromEntries(Object.entries(spec).map(([key, one]) => [key, fill(one, names, key)])) as T;
}

/** Whether a specification of Vega rather than of Vega-Lite. */
export function isVega(spec: Spec): boolean {
  const schema = spec['$schema'];
  if (typeof schema === 'string' && /\/vega(-lite)?\//.test(schema)) return schema.includes('/vega/');
  return Array.isArray(spec['marks']);
}
