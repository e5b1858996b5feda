/** Draws specifications with Vega. It alone imports it, with its bounds: they are loaded when a custom chart is on screen. */
import { escapeHTML } from 'vega-tooltip';
import embed from 'vega-embed';
import { parseExpression, type Loader, type LoggerInterface, type Spec as VegaSpec, type View } from 'vega';
import type { TopLevelSpec } from 'vega-lite';
import type { Theme } from '../app/theme.svelte';
import type { ChartRow, Json, Spec } from '../data/chartData';
import { PALETTE } from '../state/colors';
import { boundVega, firstMaker, TooManyError } from './limits';
import { without } from './members';
import { plainSpec, type PlainSpec } from './plainNames';
import { DATA } from './rows';
import { withRunColors } from './runColors';
import { EXPRESSIONS, isVega } from './template';

export interface Size {
  /** CSS pixels. */
  width: number;
  height: number;
}

export interface Drawn {
  view: View;
  /** What Vega has to say of the specification, each once. */
  warnings: readonly string[];
  resize(size: Size): void;
  /** Afterwards nothing of it is left in the page. */
  free(): void;
}

/** Pictures that a row holds itself; nothing is fetched. */
const OWN_PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,/;

function refuse(uri: string): Promise<never> {
  const where = uri.length > 200 ? `${uri.slice(0, 200)}…` : uri;
  return Promise.reject(new Error(`"${where}" is not loaded: a chart has its rows from the runs alone`));
}
const LOADER: Loader = {
  load: refuse,
  http: refuse,
  file: refuse,
  sanitize: (uri, { context }) =>
    context === 'image' && OWN_PICTURE.test(uri) ? Promise.resolve({ href: uri }) : refuse(uri),
};

/** Vega's number for errors and warnings. */
const WARN = 2;
/**
 * What means nothing: layers that have their colours from the same field of the same rows, and rows of a transform
 * that are none, as outliers often are.
 */
const NOTHING = /^Conflicting scale property "range" \(\{"data":.*"field":|^Infinite extent for field/;

/** What Vega has to say, each once, and what makes too much to be drawn. */
interface Heard {
  said: Set<string>;
  tooMany: TooManyError | null;
}

/** Keeps what Vega has to say; Vega takes its functions one by one, too. */
function listener(heard: Heard, { said }: PlainSpec): LoggerInterface {
  const hear = (...parts: readonly unknown[]): LoggerInterface => {
    for (const part of parts) if (part instanceof TooManyError) heard.tooMany ??= part;
    const text = parts.map((part) => (part instanceof Error ? part.message : String(part))).join(' ');
    if (!NOTHING.test(text)) heard.said.add(said(text));
    return logger;
  };
  const quiet = (): LoggerInterface => logger;
  const level = ((next?: number) => (next === undefined ? WARN : logger)) as LoggerInterface['level'];
  const logger: LoggerInterface = { level, error: hear, warn: hear, info: quiet, debug: quiet };
  return logger;
}

/** The look of the page, for what a specification says nothing of. */
function configOf(theme: Theme): Record<string, unknown> {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const font = "'Inter Variable', system-ui, sans-serif";
  const [text, faint, grid] = [token('--text-2'), token('--chart-axis'), token('--chart-grid')];
  const colors = PALETTE[theme];
  // Much stands out from the surface, little is near to it.
  const ramp = [token('--selected'), colors[0]];
  return {
    background: 'transparent',
    font,
    view: { stroke: 'transparent' },
    title: { color: token('--text-1'), subtitleColor: text, fontSize: 12, fontWeight: 600, anchor: 'start' },
    axis: {
      domainColor: grid,
      gridColor: grid,
      tickColor: grid,
      labelColor: faint,
      titleColor: text,
      labelFontSize: 11,
      titleFontSize: 11,
      titleFontWeight: 500,
      labelLimit: 120,
      labelFlush: false,
    },
    axisXDiscrete: { labelAngle: -30 },
    legend: {
      orient: 'bottom',
      direction: 'horizontal',
      columns: 3,
      symbolLimit: 30,
      labelLimit: 160,
      labelColor: text,
      titleColor: text,
      labelFontSize: 11,
      titleFontSize: 11,
      titleFontWeight: 500,
    },
    header: { labelColor: text, titleColor: text, labelFontSize: 11, titleFontSize: 11 },
    mark: { color: colors[0] },
    text: { color: token('--text-1'), fontSize: 11 },
    rule: { color: faint },
    line: { strokeWidth: 1.5 },
    range: { category: colors, ordinal: ramp, ramp, heatmap: ramp },
    style: {
      'cell-weak': { color: token('--text-1') },
      'cell-strong': { color: token('--surface') },
    },
  };
}

const SEVERAL = ['hconcat', 'vconcat', 'concat', 'repeat', 'facet'];
const CHANNELS = ['row', 'column', 'facet'];

const has = (value: Json | undefined, names: readonly string[]): boolean =>
  typeof value === 'object' && value !== null && names.some((name) => name in value);

/** What fits into the panel, and which of its sides follow those of the panel. */
function fitted(spec: Spec, size: Size): { spec: Spec; follows: { width: boolean; height: boolean } } {
  const isSeveral = has(spec, SEVERAL) || has(spec['encoding'], CHANNELS);
  const isOpen = (side: Json | undefined) => side === undefined || side === 'container';
  const follows = {
    width: !isSeveral && isOpen(spec['width']),
    height: !isSeveral && isOpen(spec['height']),
  };
  // It may say there how it is embedded: that is ours to say.
  const rest = without(spec, '$schema', 'usermeta');
  const own: Spec = {};
  if (follows.width) own['width'] = size.width;
  if (follows.height) own['height'] = size.height;
  if (follows.width && follows.height) own['autosize'] = { type: 'fit', contains: 'padding' };
  return { spec: { ...own, ...rest, ...(own as { width?: number; height?: number }) }, follows };
}

/** Rows where a specification of Vega or a compiled one asks for them; its inputs stay within the chart. */
function withRows(compiled: VegaSpec, rows: readonly ChartRow[], plain: PlainSpec): VegaSpec {
  const vega = plain.shown(compiled);
  for (const signal of vega.signals ?? [])
    if ('bind' in signal && signal.bind && 'element' in signal.bind) delete signal.bind.element;
  for (const data of vega.data ?? [])
    // Vega writes into rows: it gets its own.
    if (data.name === DATA) Object.assign(data, { values: rows.map((row) => plain.row(row)) });
  return vega;
}

/**
 * What Vega says of a specification that it cannot draw; `text` is the text in it that is wrong, `path` the place
 * (a JSON pointer), where one is known.
 */
export class DrawError extends Error {
  constructor(
    message: string,
    readonly text: string | null,
    readonly path: string | null = null,
  ) {
    super(message);
  }
}

/**
 * Draws a specification, whose templates are filled in, into an element.
 *
 * @throws DrawError with Vega's words when it is none; what it asks to be loaded is not, and is among the warnings.
 */
export async function draw(
  root: HTMLElement,
  spec: Spec,
  { rows, size, theme }: { rows: readonly ChartRow[]; size: Size; theme: Theme },
): Promise<Drawn> {
  boundVega();
  const heard: Heard = { said: new Set(), tooMany: null };
  const vega = isVega(spec);
  const whole = fitted(vega || 'data' in spec ? spec : { data: { name: DATA }, ...spec }, size);
  const plain = plainSpec(vega ? whole.spec : withRunColors(whole.spec, rows), rows);
  // Vega-Lite keeps what it compiles from: it gets its own.
  const copy = structuredClone(plain.spec) as unknown as TopLevelSpec;
  const { view, finalize } = await embed(root, copy, {
    mode: vega ? 'vega' : 'vega-lite',
    actions: false,
    ast: true,
    config: configOf(theme) as never,
    defaultStyle: false,
    loader: LOADER,
    logger: listener(heard, plain),
    patch: (compiled) => withRows(compiled, rows, plain),
    renderer: 'canvas',
    tooltip: {
      theme: theme === 'dark' ? 'dark' : 'light',
      formatTooltip: (value) => tooltipOf(value, plain),
    },
  }).catch((error: unknown) => {
    throw drawError(error, plain, spec);
  });
  if (heard.tooMany) {
    finalize();
    root.replaceChildren();
    throw drawError(heard.tooMany, plain, spec);
  }
  return {
    view,
    warnings: [...heard.said],
    resize: ({ width, height }) => {
      if (whole.follows.width) view.width(width);
      if (whole.follows.height) view.height(height);
      if (whole.follows.width || whole.follows.height) void view.runAsync();
    },
    free: () => {
      finalize();
      root.replaceChildren();
    },
  };
}

function drawError(error: unknown, plain: PlainSpec, spec: Spec): DrawError {
  if (error instanceof TooManyError) return new DrawError(error.message, null, firstMaker(spec, error.maker));
  const message = plain.said(error instanceof Error ? error.message : String(error));
  const wrong = wrongExpression(spec);
  return new DrawError(
    wrong === null ? message : `The expression ${wrong} cannot be read: ${message}`,
    wrong,
  );
}

/** As Vega's, without pictures: an address in a row is not fetched. */
function tooltipOf(value: unknown, { isPlain }: PlainSpec): string {
  if (typeof value !== 'object' || value === null) return escapeHTML(value);
  const cells = Object.entries(value)
    .filter(([name]) => !isPlain(name))
    .map(
      ([name, cell]) =>
        `<tr><td class="key">${escapeHTML(name)}</td><td class="value">${escapeHTML(
          typeof cell === 'object' ? JSON.stringify(cell) : cell,
        )}</td></tr>`,
    );
  return `<table>${cells.join('')}</table>`;
}

/** The first expression in a specification that cannot be read. */
export function wrongExpression(spec: Json, member = ''): string | null {
  if (typeof spec === 'string') {
    if (!EXPRESSIONS.has(member)) return null;
    try {
      parseExpression(spec);
      return null;
    } catch {
      return spec;
    }
  }
  if (spec === null || typeof spec !== 'object') return null;
  for (const [name, value] of Object.entries(spec)) {
    const found = wrongExpression(value as Json, Array.isArray(spec) ? member : name);
    if (found !== null) return found;
  }
  return null;
}
