/**
 * The presets that every project has, by W&B's names: what `steplog.plot` logs is drawn by them. Each is written here
 * from what its fields are, and looks otherwise when several runs are drawn over one another.
 */
import type { ChartColumn, Spec } from '../data/chartData';
import { own } from './members';
import { DATA, typeOf } from './rows';

/** What is known of the rows that are to be drawn. */
export interface Situation {
  /** Whether they are of more than one run. */
  several: boolean;
  /** The columns of the specification's fields, and what is in them. */
  fields: Readonly<Record<string, string>>;
  columns: readonly ChartColumn[];
  rows: number;
}

export interface Preset {
  /** What it draws, in the middle of a sentence. */
  noun: string;
  make: (situation: Situation) => Spec;
}

/** More points than this are not marked one by one. */
const MARKED = 300;
/** Of more points than this none has a tooltip of its own: they take most of the time that drawing takes. */
const TOLD = 20_000;

const SCHEMA = 'https://vega.github.io/schema/vega-lite/v6.json';
const head = (title = '${string:title}'): Spec => ({ $schema: SCHEMA, data: { name: DATA }, title });
const tip = (...names: string[]): Spec[] => names.map((name) => ({ field: name, title: name }));
const run = { field: '_name', type: 'nominal', title: 'run', scale: { range: { field: '_color' } } };
const runTip = { field: '_name', title: 'run' };

const kindOf = ({ fields, columns }: Situation, field: string) =>
  typeOf(columns.find(({ name }) => name === (fields[field] ?? field))?.kind);

/** An axis of numbers or moments that begins where the values do, or of texts in their order. */
function axis(situation: Situation, field: string, more: Spec = {}): Spec {
  const type = kindOf(situation, field);
  const scaled: Spec =
    type === 'nominal' ? { sort: null } : { scale: { zero: false, nice: type !== 'temporal' } };
  return { field: `\${field:${field}}`, title: `\${field:${field}}`, type, ...scaled, ...more };
}

/** Lines: of one run each kind has its colour, of several each run, and each kind its dashes. */
function lines(
  situation: Situation,
  { x, y, kind, order }: { x: Spec; y: Spec; kind: string | null; order?: Spec },
): Spec {
  const own =
    kind === null ? null : { field: `\${field:${kind}}`, type: 'nominal', title: `\${field:${kind}}` };
  const looks: Spec = situation.several
    ? { color: run, ...(own && { strokeDash: own }) }
    : own
      ? { color: own }
      : {};
  const isMarked = situation.rows <= MARKED;
  const tooltip = [
    ...(situation.several ? [runTip] : []),
    ...(kind ? tip(`\${field:${kind}}`) : []),
    // Of a line without marks Vega would tell where it begins.
    ...(isMarked ? [x, y].map(({ field, title }) => ({ field, title }) as Spec) : []),
  ];
  return {
    ...head(),
    mark: { type: 'line', ...(isMarked && { point: { size: 16 } }) },
    encoding: { x, y, ...looks, tooltip, ...order },
  };
}

const line: Preset = {
  noun: 'line chart',
  make: (situation) =>
    lines(situation, {
      x: axis(situation, 'x'),
      y: axis(situation, 'y'),
      kind: 'stroke' in situation.fields ? 'stroke' : null,
    }),
};

const lineSeries: Preset = {
  noun: 'line chart',
  make: (situation) => {
    const x = axis(situation, 'step', { title: '${string:xname}' });
    const y = axis(situation, 'lineVal', { title: null });
    return lines(situation, { x, y: { ...y, title: 'value' }, kind: 'lineKey' });
  },
};

const scatter: Preset = {
  noun: 'scatter plot',
  make: (situation) => ({
    ...head(),
    mark: { type: 'point', filled: true, opacity: 0.7 },
    encoding: {
      x: axis(situation, 'x'),
      y: axis(situation, 'y'),
      ...(situation.several && { color: run }),
      ...(situation.rows <= TOLD && {
        tooltip: [...(situation.several ? [runTip] : []), ...tip('${field:x}', '${field:y}')],
      }),
    },
  }),
};

const bar: Preset = {
  noun: 'bar chart',
  make: (situation) => ({
    ...head(),
    mark: { type: 'bar' },
    encoding: {
      x: {
        field: '${field:label}',
        title: '${field:label}',
        type: 'nominal',
        sort: null,
      },
      y: { field: '${field:value}', title: '${field:value}', type: 'quantitative', stack: null },
      ...(situation.several && { xOffset: { field: '_name' }, color: run }),
      tooltip: [...(situation.several ? [runTip] : []), ...tip('${field:label}', '${field:value}')],
    },
  }),
};

const histogram: Preset = {
  noun: 'histogram',
  make: (situation) => ({
    ...head(),
    mark: { type: 'bar', opacity: situation.several ? 0.6 : 1 },
    encoding: {
      x:
        kindOf(situation, 'value') === 'nominal'
          ? { field: '${field:value}', type: 'nominal', title: '${field:value}' }
          : {
              field: '${field:value}',
              title: '${field:value}',
              type: 'quantitative',
              bin: { maxbins: 30 },
            },
      y: { aggregate: 'count', title: 'rows', stack: null },
      ...(situation.several && { color: run }),
      tooltip: [
        ...(situation.several ? [runTip] : []),
        { field: '${field:value}', title: '${field:value}', bin: kindOf(situation, 'value') !== 'nominal' },
        { aggregate: 'count', title: 'rows' },
      ],
    },
  }),
};

/** Shares of 0 to 1 on both axes, joined in the order of the rows: curves go straight up, too. */
const curve: Preset = {
  noun: 'curve',
  make: (situation) => {
    const share = (field: string, title: string): Spec => ({
      field: `\${field:${field}}`,
      title: `\${string:${title}}`,
      type: 'quantitative',
      scale: { domain: [0, 1], nice: false },
    });
    return lines(situation, {
      x: share('x', 'x-axis-title'),
      y: share('y', 'y-axis-title'),
      kind: 'class',
      order: { order: { value: null } },
    });
  },
};

const COUNT = "datum['${field:nPredictions}']";
const matrix: Preset = {
  noun: 'confusion matrix',
  make: (situation) => {
    const whole: Spec = {
      ...head(),
      // Before there are views of each run: all have one scale of colours, from 0 to the most of all.
      transform: [
        { filter: `isValid(${COUNT}) && isFinite(${COUNT})` },
        { joinaggregate: [{ op: 'max', field: '${field:nPredictions}', as: '_most' }] },
      ],
    };
    const cell: Spec = {
      encoding: {
        x: {
          field: '${field:Predicted}',
          title: '${field:Predicted}',
          type: 'nominal',
          sort: null,
        },
        y: { field: '${field:Actual}', title: '${field:Actual}', type: 'nominal', sort: null },
        tooltip: [
          ...(situation.several ? [runTip] : []),
          ...tip('${field:Actual}', '${field:Predicted}', '${field:nPredictions}'),
        ],
      },
      layer: [
        {
          mark: { type: 'rect' },
          encoding: {
            color: {
              field: '${field:nPredictions}',
              type: 'quantitative',
              title: '${field:nPredictions}',
              scale: { zero: true, nice: false },
              legend: null,
            },
          },
        },
        ...(['weak', 'strong'] as const).map((side) => ({
          transform: [{ filter: `${side === 'strong' ? '' : '!'}(${COUNT} > datum._most / 2)` }],
          mark: { type: 'text', style: `cell-${side}` },
          encoding: { text: { field: '${field:nPredictions}', type: 'quantitative' } },
        })),
      ],
    };
    if (!situation.several) return { ...whole, ...cell };
    return {
      ...whole,
      facet: { field: '_name', type: 'nominal', title: null },
      columns: 2,
      spec: { width: 110, height: 110, ...cell },
    };
  },
};

export const PRESETS: Readonly<Record<string, Preset>> = {
  'wandb/line/v0': line,
  'wandb/lineseries/v0': lineSeries,
  'wandb/scatter/v0': scatter,
  'wandb/bar/v0': bar,
  'wandb/histogram/v0': histogram,
  'wandb/area-under-curve/v0': curve,
  'wandb/confusion_matrix/v1': matrix,
};
/** What the names of these presets begin with, and those of no other. */
const RESERVED = 'wandb/';
export const isReserved = (name: string): boolean => name.startsWith(RESERVED);
/** A preset of all projects, if there is one of that name. */
export const builtIn = (name: string): Preset | undefined => own(PRESETS, name);

/** Of the ones that `steplog.plot` makes, what their fields are called. */
export const PRESET_FIELDS: Readonly<Record<string, readonly string[]>> = {
  'wandb/line/v0': ['x', 'y', 'stroke'],
  'wandb/lineseries/v0': ['step', 'lineKey', 'lineVal'],
  'wandb/scatter/v0': ['x', 'y'],
  'wandb/bar/v0': ['label', 'value'],
  'wandb/histogram/v0': ['value'],
  'wandb/area-under-curve/v0': ['x', 'y', 'class'],
  'wandb/confusion_matrix/v1': ['Actual', 'Predicted', 'nPredictions'],
};
