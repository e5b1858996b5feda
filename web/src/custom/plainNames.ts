/**
 * Names of columns, and titles, that Vega-Lite takes apart or breaks its own expressions at: it gets plain ones in their
 * place, and what it makes of them shows the real ones again.
 */
import type { ChartRow, Json, Spec } from '../data/chartData';
import { EXPRESSIONS, fieldPath, quoted } from './template';

/** Members that hold names of columns, one or a list. */
const NAMES = new Set(
  (
    'field fields groupby as key fold flatten pivot impute stack density regression loess on quantile extent repeat ' +
    'lookup'
  ).split(' '),
);
/** Members whose texts people read. */
const SHOWN = new Set(['title', 'text', 'description', 'subtitle']);

/** Quotes, backslashes, what leads into cells, what cannot be seen; texts that templates or expressions begin with. */
const ODD = /['"`\\.[\]*\p{C}\p{Zl}\p{Zp}]|^\s|\s$|^$|\$\{|^(datum|parent)$/u;
const isOdd = (name: string): boolean => ODD.test(name) || name in Object.prototype;
/** What cannot stand in the texts of Vega-Lite's expressions as it is: it escapes quotes alone. */
const UNSAFE = /[\\\p{Cc}\p{Zl}\p{Zp}]/u;
/** `datum['…']`, as expressions name a column. */
const CELL = /\bdatum\s*\[\s*('(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*")\s*\]/g;
const LITERAL = /'(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*"/g;

const isObject = (value: Json | undefined): value is { [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const ESCAPED: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  0: '\0',
};
/** What a text in quotes says. */
const unquoted = (literal: string): string =>
  literal
    .slice(1, -1)
    .replace(
      /\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([^]))/g,
      (_, four?: string, two?: string, one = '') => {
        const code = four ?? two;
        return code === undefined
          ? (ESCAPED[one as string] ?? (one as string))
          : String.fromCharCode(parseInt(code, 16));
      },
    );

/** A specification with plain names, and the way back. */
export interface PlainSpec {
  spec: Spec;
  /** A row with its cells under their plain names as well. */
  row: (row: ChartRow) => ChartRow;
  /** What Vega-Lite has compiled, with the real names where people read them. */
  shown: <T>(compiled: T) => T;
  /** A text for people, with the real names in it. */
  said: (text: string) => string;
  isPlain: (name: string) => boolean;
}

class Plain {
  /** By their plain names the real ones. */
  readonly real = new Map<string, string>();
  private readonly plain = new Map<string, string>();
  private readonly prefix: string;
  private readonly found = new Map<string, boolean>();
  private readonly made = new Set<string>();

  constructor(
    spec: Spec,
    private readonly rows: readonly ChartRow[],
  ) {
    const text = JSON.stringify([spec, Object.keys(rows[0] ?? {})]);
    let prefix = '_c';
    while (text.includes(prefix)) prefix += 'c';
    this.prefix = prefix;
    this.collectMade(spec);
  }

  private collectMade(value: Json): void {
    if (Array.isArray(value)) return value.forEach((one) => this.collectMade(one));
    if (!isObject(value)) return;
    for (const name of [value['as']].flat()) if (typeof name === 'string') this.made.add(name);
    Object.values(value).forEach((one) => this.collectMade(one));
  }

  private isColumn(name: string): boolean {
    const known = this.found.get(name);
    if (known !== undefined) return known;
    const found = this.made.has(name) || this.rows.some((row) => Object.hasOwn(row, name));
    this.found.set(name, found);
    return found;
  }

  private nameOf(text: string): string {
    const known = this.plain.get(text);
    if (known !== undefined) return known;
    const name = `${this.prefix}${this.real.size}_`;
    this.plain.set(text, name);
    this.real.set(name, text);
    return name;
  }

  private column(path: string): string {
    const name = path.replace(/\\([^])/g, '$1');
    // Dots and brackets that are not escaped lead into a cell.
    const meant = fieldPath(name) === path ? [name] : /[.[\]]/.test(path) ? [] : [path];
    return meant.every((one) => isOdd(one) && this.isColumn(one)) && meant[0] !== undefined
      ? this.nameOf(meant[0])
      : path;
  }

  private text(text: string, member: string, isName: boolean): string {
    if (isName) return this.column(text);
    if (member === 'title') return UNSAFE.test(text) || text in Object.prototype ? this.nameOf(text) : text;
    if (!EXPRESSIONS.has(member)) return text;
    return text.replace(CELL, (cell, literal: string) => {
      const name = unquoted(literal);
      return isOdd(name) && this.isColumn(name) ? `datum['${this.nameOf(name)}']` : cell;
    });
  }

  /** The names that a transform has written into rows are the real ones again. */
  private toldKeys(transform: Json): Json[] {
    if (!isObject(transform)) return [];
    const isVega = transform['type'] === 'fold';
    const folded = [isVega ? transform['fields'] : transform['fold']].flat();
    const plain = folded.filter((one): one is string => typeof one === 'string' && this.real.has(one));
    if (plain.length === 0) return [];
    const as = [transform['as']].flat()[0];
    const key = typeof as === 'string' ? as : 'key';
    const cell = `datum['${quoted(key)}']`;
    const expr = plain.reduce(
      (rest, name) => `${cell} === '${name}' ? '${quoted(this.real.get(name) ?? name)}' : (${rest})`,
      cell,
    );
    return [isVega ? { type: 'formula', expr, as: key } : { calculate: expr, as: key }];
  }

  of<T extends Json>(value: T, member = '', isName = false): T {
    if (typeof value === 'string') return this.text(value, member, isName) as T;
    if (Array.isArray(value))
      return value.flatMap((one) => {
        const made = this.of(one, member, isName);
        return member === 'transform' ? [made, ...this.toldKeys(made)] : [made];
      }) as T;
    if (!isObject(value)) return value;
    const isPivot = 'pivot' in value;
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [
        name,
        this.of(one, name, NAMES.has(name) || (isPivot && name === 'value')),
      ]),
    ) as T;
  }
}

/** Puts plain names where names of columns of these rows, or titles, are odd. */
export function plainSpec(spec: Spec, rows: readonly ChartRow[]): PlainSpec {
  const plain = new Plain(spec, rows);
  const made = plain.of(spec);
  const { real } = plain;
  if (real.size === 0)
    return {
      spec: made,
      row: (row) => ({ ...row }),
      shown: (compiled) => compiled,
      said: (text) => text,
      isPlain: () => false,
    };
  const pattern = new RegExp([...real.keys()].join('|'), 'g');
  const said = (text: string, as = (name: string) => name) =>
    text.replace(pattern, (name) => as(real.get(name) ?? name));
  return {
    spec: made,
    row: (row) => {
      const all = { ...row };
      for (const [name, column] of real) if (Object.hasOwn(row, column)) all[name] = row[column];
      return all;
    },
    shown: (compiled) => withReal(compiled as Json, '', said) as typeof compiled,
    said: (text) => said(text),
    isPlain: (name) => real.has(name),
  };
}

type Say = (text: string, as?: (name: string) => string) => string;

function withReal(value: Json, member: string, said: Say): Json {
  if (typeof value === 'string') {
    if (SHOWN.has(member)) return apart(said(value));
    return EXPRESSIONS.has(member) ? told(value, said) : value;
  }
  if (Array.isArray(value)) return value.map((one) => withReal(one, member, said));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withReal(one, name, said)]));
}

/** In an expression of Vega-Lite the texts of tooltips and descriptions: names of what there is stay. */
function told(expression: string, said: Say): string {
  return expression.replace(LITERAL, (literal, at: number) =>
    /^\s*[:+]/.test(expression.slice(at + literal.length)) ? said(literal, inTip) : literal,
  );
}

/** Vega takes a title that is called as every object's members are for one of its own, and makes no object with it. */
const apart = (name: string): string => (name in Object.prototype ? `${name} ` : name);
const inTip = (name: string): string => quoted(apart(name));
