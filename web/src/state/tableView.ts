/** What the table explorer shows, as query parameters. */
import type { SortKey } from '../data/tables';
import { joinList, splitList, writeQuery } from './urlState';

export interface TableView {
  /** Null for the first table. */
  key: string | null;
  label: string | null;
  /** Null for the last step. */
  step: number | null;
  where: string;
  sort: SortKey[];
  group: string[];
  /** Columns that are hidden. */
  hidden: string[];
  /** With which table it is compared: of a run (null: this one) and step (null: its last). */
  compare: { run: string | null; step: number | null } | null;
  /** The columns that tell which rows are compared. */
  by: string[];
  /** The place of the row that is shown whole. */
  row: number | null;
}

const readStep = (text: string | null): number | null => (/^\d+$/.test(text ?? '') ? Number(text) : null);

function readSort(text: string): SortKey[] {
  return splitList(text).flatMap((one) => {
    const match = /^(.+):(asc|desc)$/s.exec(one);
    return match ? [{ k: match[1] as string, dir: match[2] as SortKey['dir'] }] : [];
  });
}

function readCompare(text: string | null): TableView['compare'] {
  if (text === null) return null;
  const [run = '', step = ''] = splitList(text);
  return { run: run || null, step: readStep(step) };
}

/** Reads a query string. Values that make no sense fall back on the default. */
export function decodeTableView(query: string): TableView {
  const params = new URLSearchParams(query);
  return {
    key: params.get('tk'),
    label: params.get('tl'),
    step: readStep(params.get('ts')),
    where: params.get('tw') ?? '',
    sort: readSort(params.get('to') ?? ''),
    group: splitList(params.get('tg') ?? ''),
    hidden: splitList(params.get('th') ?? ''),
    compare: readCompare(params.get('tc')),
    by: splitList(params.get('tb') ?? ''),
    row: readStep(params.get('tr')),
  };
}

/** Writes a query string (with `?`, or empty). Other parameters of `previous` stay. */
export function encodeTableView(view: TableView, previous = ''): string {
  const list = (items: readonly string[]) => (items.length ? joinList(items) : null);
  const { compare } = view;
  return writeQuery(
    {
      tk: view.key,
      tl: view.label,
      ts: view.step === null ? null : String(view.step),
      tw: view.where || null,
      to: list(view.sort.map(({ k, dir }) => `${k}:${dir}`)),
      tg: list(view.group),
      th: list(view.hidden),
      tc: compare && joinList([compare.run ?? '', compare.step === null ? '' : String(compare.step)]),
      tb: list(view.by),
      tr: view.row === null ? null : String(view.row),
    },
    previous,
  );
}

/** The order after a click on a column: up, down, as it was; `more` keeps the others. */
export function sortedBy(sort: readonly SortKey[], name: string, more: boolean): SortKey[] {
  const now = sort.find(({ k }) => k === name)?.dir;
  const next: SortKey[] = now === 'desc' ? [] : [{ k: name, dir: now ? 'desc' : 'asc' }];
  if (!more) return next;
  if (!now) return [...sort, ...next];
  return sort.flatMap((one) => (one.k === name ? next : [one]));
}
