/** The workspace's state as query parameters: short names, fixed order, defaults left out, unknown ones kept. */
import type { SortDir, XAxis } from '../data/types';

export interface WorkspaceView {
  /** Search over keys. */
  search: string;
  /** Search over runs, a regular expression. */
  runSearch: string;
  sort: { k: string; dir: SortDir };
  /** The summary key (escaped) shown beside each run; null for none chosen. */
  value: string | null;
  x: XAxis;
  /** Whether the writers of a run are drawn as one: their mean and range. */
  together: boolean;
  /** Log y for every panel; `logFlips` names the panels that differ. */
  log: boolean;
  logFlips: string[];
  /** The x range, in the unit of `x`; null follows the data. */
  zoom: [number, number] | null;
  /** Visible runs in the order of their colours; null shows the first ten of the list. */
  selected: string[] | null;
  /** Sections whose folding differs from the default. */
  folds: string[];
  sidebar: boolean;
  /** The key of the enlarged panel. */
  panel: string | null;
}

export const DEFAULT_VIEW: WorkspaceView = {
  search: '',
  runSearch: '',
  sort: { k: 'created', dir: 'desc' },
  value: null,
  x: 'step',
  together: false,
  log: false,
  logFlips: [],
  zoom: null,
  selected: null,
  folds: [],
  sidebar: true,
  panel: null,
};

export const joinList = (items: readonly string[]): string =>
  items.map((item) => item.replaceAll('\\', '\\\\').replaceAll(',', '\\,')).join(',');

export function splitList(text: string): string[] {
  if (text === '') return [];
  const items: string[] = [''];
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === ',') items.push('');
    else items.push((items.pop() as string) + (char === '\\' ? text.charAt(++i) : char));
  }
  return items;
}

/** The list without the item, or with it at the end. */
export const toggled = (list: readonly string[], item: string): string[] =>
  list.includes(item) ? list.filter((other) => other !== item) : [...list, item];

/** Beyond the steps and milliseconds that the server takes, there is nothing to see. */
const FARTHEST = 2 ** 62;

export function readZoom(text: string | null): [number, number] | null {
  const match = /^(-?[\d.]+(?:e[+-]?\d+)?):(-?[\d.]+(?:e[+-]?\d+)?)$/.exec(text ?? '');
  if (!match) return null;
  const [from, to] = [Number(match[1]), Number(match[2])];
  return from < to && -FARTHEST <= from && to <= FARTHEST ? [from, to] : null;
}

/** What the server can sort by. */
const SORTABLE = /^((config|summary)\..+|name|id|state|notes|tags|group|job_type|created|updated|duration)$/;

function readSort(text: string | null): WorkspaceView['sort'] {
  const match = /^(.+):(asc|desc)$/.exec(text ?? '');
  if (match && !SORTABLE.test(match[1] as string)) return DEFAULT_VIEW.sort;
  return match ? { k: match[1] as string, dir: match[2] as SortDir } : DEFAULT_VIEW.sort;
}

/** Reads a query string. Values that make no sense fall back on the default. */
export function decodeView(query: string): WorkspaceView {
  const params = new URLSearchParams(query);
  const x = params.get('x');
  const selected = params.get('sel');
  return {
    search: params.get('q') ?? '',
    runSearch: params.get('r') ?? '',
    sort: readSort(params.get('s')),
    value: params.get('v'),
    x: x === 'wall' || x === 'relative' ? x : 'step',
    together: params.get('w') === 'mean',
    log: params.get('y') === 'log',
    logFlips: splitList(params.get('yf') ?? ''),
    zoom: readZoom(params.get('z')),
    selected: selected === null ? null : splitList(selected),
    folds: splitList(params.get('fold') ?? ''),
    sidebar: params.get('side') !== '0',
    panel: params.get('panel'),
  };
}

/** Writes a query string (with `?`, or empty). Parameters of `previous` that this codec does not know stay. */
export function encodeView(view: WorkspaceView, previous = ''): string {
  const { sort } = view;
  const values: Record<string, string | null> = {
    q: view.search || null,
    r: view.runSearch || null,
    s: sort.k === DEFAULT_VIEW.sort.k && sort.dir === DEFAULT_VIEW.sort.dir ? null : `${sort.k}:${sort.dir}`,
    v: view.value,
    x: view.x === 'step' ? null : view.x,
    w: view.together ? 'mean' : null,
    y: view.log ? 'log' : null,
    yf: view.logFlips.length ? joinList(view.logFlips) : null,
    z: view.zoom ? view.zoom.join(':') : null,
    sel: view.selected ? joinList(view.selected) : null,
    fold: view.folds.length ? joinList(view.folds) : null,
    side: view.sidebar ? null : '0',
    panel: view.panel,
  };
  return writeQuery(values, previous);
}

/** A query string of some values, null for left out. Parameters of `previous` that are not among them stay. */
export function writeQuery(values: Readonly<Record<string, string | null>>, previous: string): string {
  const pairs = Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== null);
  for (const [name, value] of new URLSearchParams(previous)) if (!(name in values)) pairs.push([name, value]);
  // `/ : ,` are legal in a query and far easier to read there.
  const readable = (text: string) =>
    encodeURIComponent(text).replace(/%(2F|3A|2C)/g, (code) => decodeURIComponent(code));
  return pairs.length ? `?${pairs.map((pair) => pair.map(readable).join('=')).join('&')}` : '';
}
