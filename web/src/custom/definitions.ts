/** Which charts there are and how each is drawn: what runs logged, and what people made of it on the page. */
import {
  SOURCES,
  type ChartQuery,
  type ChartSource,
  type LoggedChart,
  type SavedPanel,
  type Spec,
} from '../data/chartData';

/** How a chart is drawn: by a preset, or by a specification of its own. */
export interface ChartLook {
  preset: string | null;
  spec: Spec | null;
  fields: Readonly<Record<string, string>>;
  strings: Readonly<Record<string, string>>;
  query: ChartQuery;
}

export interface Chart extends ChartLook {
  key: string;
  /** The runs that have logged it; null for all: it is made of what they have besides. */
  runs: readonly string[] | null;
  /** How the runs say that it is drawn, where it is drawn otherwise. */
  logged: ChartLook | null;
}

type Members = Readonly<Record<string, unknown>>;
const membersOf = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
const textsOf = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(membersOf(value)).flatMap(([name, text]) =>
      text === null || typeof text === 'object' ? [] : [[name, String(text)]],
    ),
  );
const listOf = (value: unknown): string[] | null =>
  Array.isArray(value) && value.every((one) => typeof one === 'string') && value.length > 0 ? value : null;

/** The first field of a query of W&B that is a source of ours, with the key of its table. */
function askedBy(query: unknown): { source: ChartSource; key: string } | null {
  const fields = membersOf(query)['queryFields'] ?? membersOf(query)['fields'];
  if (!Array.isArray(fields)) return null;
  for (const field of fields.map(membersOf)) {
    const { name, args } = field;
    if (name === 'summaryTable' || name === 'historyTable') {
      const found = Array.isArray(args)
        ? args.map(membersOf).find((one) => one['name'] === 'tableKey')
        : null;
      if (typeof found?.['value'] === 'string') return { source: name, key: found['value'] };
    }
    const inner = askedBy(field);
    if (inner) return inner;
  }
  return null;
}

function loggedLook({ key, form, panel }: LoggedChart): ChartLook {
  if (form === 'viz') {
    const { id, historyFieldSettings } = panel;
    const strings = textsOf(historyFieldSettings);
    const query: ChartQuery = { source: 'summaryTable', key: strings['key'] ?? key };
    return { preset: typeof id === 'string' ? id : '', spec: null, fields: {}, strings, query };
  }
  const config = membersOf(panel['panel_config']);
  const preset = config['panelDefId'];
  const asked = askedBy(config['userQuery']);
  return {
    preset: typeof preset === 'string' ? preset : '',
    spec: null,
    fields: textsOf(config['fieldSettings']),
    strings: textsOf(config['stringSettings']),
    query: asked ?? { source: 'summaryTable', key: `${key}_table` },
  };
}

function queryOf(value: unknown): ChartQuery | null {
  const { source, key, keys, columns, where, step } = membersOf(value);
  if (typeof source !== 'string' || !SOURCES.includes(source as ChartSource)) return null;
  const query: ChartQuery = { source: source as ChartSource };
  if (typeof key === 'string') query.key = key;
  if (typeof where === 'string' && where !== '') query.where = where;
  if (Number.isSafeInteger(step)) query.step = step as number;
  const [named, shown] = [listOf(keys), listOf(columns)];
  if (named) query.keys = named;
  if (shown) query.columns = shown;
  return query;
}

/** What was saved, if it can still be read. */
function savedLook({ panel }: SavedPanel): ChartLook | null {
  const query = queryOf(panel['query']);
  if (!query) return null;
  const { preset, spec } = panel;
  return {
    preset: typeof preset === 'string' ? preset : null,
    spec: typeof preset === 'string' ? null : (membersOf(spec) as Spec),
    fields: textsOf(panel['fields']),
    strings: textsOf(panel['strings']),
    query,
  };
}

/** By key: of one that was saved as it was saved, of others as they were logged. */
export function chartsOf(logged: readonly LoggedChart[], saved: readonly SavedPanel[]): Chart[] {
  const charts = new Map<string, Chart>();
  for (const one of logged) {
    const look = loggedLook(one);
    charts.set(one.key, { ...look, key: one.key, runs: one.runs, logged: look });
  }
  for (const one of saved) {
    const look = savedLook(one);
    const known = charts.get(one.name);
    if (look) charts.set(one.name, { ...look, key: one.name, runs: null, logged: known?.logged ?? null });
  }
  return [...charts.values()].sort((a, b) => a.key.localeCompare(b.key, 'en', { numeric: true }));
}

/** The key of a table as the server spells it, where a chart's key has dots in it. */
export const escaped = (key: string): string => key.replace(/[\\.]/g, (char) => `\\${char}`);

/** The keys under which the server may have a chart's table. */
export const tableKeys = ({ key }: ChartQuery): string[] =>
  key === undefined ? [] : [...new Set([key, escaped(key)])];

/** Those of several charts, each once. */
export const tableKeysOf = (charts: readonly Chart[]): string[] => [
  ...new Set(charts.flatMap(({ query }) => tableKeys(query))),
];
