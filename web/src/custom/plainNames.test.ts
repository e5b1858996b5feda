import { parse, View, type Spec as VegaSpec } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { expect, test } from 'vitest';
import type { ChartRow, Spec } from '../data/chartData';
import { plainSpec } from './plainNames';
import { PRESET_FIELDS, PRESETS } from './presets';
import { fill, quoted } from './template';

const ODD = [
  "it's",
  '5" disk',
  'back\\slash',
  'end\\',
  'a\nb',
  'a\tb',
  '`tick`',
  '${field:x}',
  '${',
  'datum',
  'datum.x',
  "datum['x']",
  '',
  ' ',
  'a.b',
  'x[0]',
  ']',
  'toString',
  'é ß 漢字 🎉',
  'a\u2028b',
  'constructor',
  '__proto__',
  '_c0_',
  'a,b:c;d',
  '-x',
  '1',
  '<b>',
  '*',
  '%',
];

interface Item {
  marktype?: string;
  role?: string;
  items?: Item[];
  [channel: string]: unknown;
}
/** Draws without a page: what the marks and axes say. */
async function drawn(spec: Spec, rows: readonly ChartRow[]) {
  const plain = plainSpec(spec, rows);
  const compiled = plain.shown(compile(plain.spec as unknown as TopLevelSpec).spec) as VegaSpec;
  for (const data of compiled.data ?? [])
    if (data.name === 'wandb') Object.assign(data, { values: rows.map((row) => plain.row(row)) });
  const said: unknown[] = [];
  const view = new View(parse(compiled), { renderer: 'none' });
  view.logger({
    ...view.logger(),
    error: (...parts: unknown[]) => (said.push(...parts), view.logger()),
  } as never);
  await view.runAsync();
  const marks: unknown[] = [];
  const titles: unknown[] = [];
  const tips: unknown[] = [];
  const visit = (item: Item, role = ''): void => {
    if (item.marktype && item.role === 'axis-title')
      titles.push(...(item.items ?? []).flatMap((one) => one['text']));
    if (!item.marktype && role === 'mark') {
      const { x, y, width, height, text, fill: color } = item;
      marks.push([x, y, width, height, text, color]);
      if (item['tooltip']) tips.push(item['tooltip']);
    }
    for (const one of item.items ?? []) visit(one, item.marktype ? item.role : '');
  };
  visit((view.scenegraph() as unknown as { root: Item }).root);
  view.finalize();
  return { marks, titles, tips, said };
}

/** Rows with a cell each of a name that may be that of every object's prototype. */
const cells = (entries: [string, unknown][]): ChartRow => Object.fromEntries(entries);
const COLUMNS = (of: readonly string[]) => of.map((name) => ({ name, kind: 'float' as const }));

test.each(ODD)('draws the presets over a column %j as over any other', async (name) => {
  for (const [preset, [first, second, third]] of Object.entries(PRESET_FIELDS)) {
    const draw = (odd: string) => {
      const columns = ['first', odd, 'third'];
      const wanted =
        second === undefined
          ? [[first, odd]]
          : [
              [first, 'first'],
              [second, odd],
              [third, 'third'],
            ];
      const fields = Object.fromEntries(wanted.filter(([field]) => field !== undefined)) as Record<
        string,
        string
      >;
      const rows = [3, 9, 4].map((cell, n) =>
        cells([
          ['first', n],
          [odd, cell],
          ['third', n % 2],
          ['_name', 'r'],
          ['_color', '#000'],
        ]),
      );
      const situation = { several: false, fields, columns: COLUMNS(columns), rows: 3 };
      return drawn(fill(PRESETS[preset]?.make(situation) ?? {}, { fields, strings: {} }), rows);
    };
    const [odd, usual] = [await draw(name), await draw('usual')];
    expect(odd.said, preset).toEqual([]);
    expect(odd.marks, preset).toEqual(usual.marks);
    expect(odd.marks.length, preset).toBeGreaterThan(0);
    const named = (of: unknown) => JSON.stringify(of).replaceAll('"usual"', JSON.stringify(name));
    // No title stands where a name is empty.
    if (name === '') return;
    expect(JSON.stringify(odd.titles).replace(/(String|constructor|__) "/g, '$1"'), preset).toBe(
      named(usual.titles),
    );
    if (name in Object.prototype) return;
    expect(
      odd.tips.map((tip) => Object.entries(tip as object).sort()),
      preset,
    ).toEqual(
      (JSON.parse(named(usual.tips.map((tip) => Object.entries(tip as object)))) as unknown[][]).map((tip) =>
        tip.sort(),
      ),
    );
  }
});

test.each(ODD)(
  'a specification of one’s own finds %j in fields, transforms and expressions',
  async (name) => {
    const spec = {
      data: { name: 'wandb' },
      transform: [
        { filter: "datum['${field:y}'] > 3" },
        { calculate: "datum['${field:y}'] * 2", as: '${field:y}' },
        { aggregate: [{ op: 'max', field: '${field:y}', as: 'most' }], groupby: ['${field:y}', 'n'] },
        { calculate: "datum['${field:y}'] + datum.most", as: 'sum' },
      ],
      mark: 'bar',
      encoding: {
        x: { field: '${field:y}', type: 'quantitative', aggregate: 'mean' },
        y: { field: 'n', type: 'ordinal', sort: { field: '${field:y}' } },
        size: { field: 'sum', type: 'quantitative' },
      },
    };
    const draw = (odd: string) =>
      drawn(
        fill(spec, { fields: { y: odd }, strings: {} }),
        [3, 9, 4].map((cell, n) =>
          cells([
            ['n', n],
            [odd, cell],
          ]),
        ),
      );
    const [odd, usual] = [await draw(name), await draw('usual')];
    expect(odd.said).toEqual([]);
    expect(odd.marks).toHaveLength(2);
    expect(odd.marks).toEqual(usual.marks);
    expect(odd.titles).toEqual([`Mean of ${name}`, 'n']);
  },
);

test('names that a specification says itself are found, and values that are the same texts stay', () => {
  const spec: Spec = {
    transform: [{ filter: { field: "it's", oneOf: ["it's"] } }, { fold: ["it's", 'b'] }],
    mark: { type: 'text', text: "it's" },
    encoding: {
      x: { field: "it's", title: 'back\\slash' },
      y: { field: "no one's" },
      text: { datum: "it's" },
    },
  };
  const plain = plainSpec(spec, [{ "it's": 1, b: 2 }]);
  expect(plain.spec).toEqual({
    transform: [
      { filter: { field: '_c0_', oneOf: ["it's"] } },
      { fold: ['_c0_', 'b'] },
      { calculate: "datum['key'] === '_c0_' ? 'it\\'s' : (datum['key'])", as: 'key' },
    ],
    mark: { type: 'text', text: "it's" },
    encoding: { x: { field: '_c0_', title: '_c1_' }, y: { field: "no one's" }, text: { datum: "it's" } },
  });
  expect(plain.row({ "it's": 1, b: 2 })).toEqual({ "it's": 1, b: 2, _c0_: 1 });
  expect(plain.said('nothing in _c0_')).toBe("nothing in it's");
  expect(
    plain.shown({
      title: 'Mean of _c0_',
      field: '_c0_',
      signal: '{"_c1_": datum["_c0_"], "_c0_": scale("_c0_", 1)}',
    }),
  ).toEqual({
    title: "Mean of it's",
    field: '_c0_',
    signal: '{"back\\\\slash": datum["_c0_"], "it\\\'s": scale("_c0_", 1)}',
  });
});

test('a text stands within quotes of either kind', () => {
  expect(quoted('a\'b"c\\d\ne\u2028')).toBe('a\\\'b\\"c\\\\d\\ne\\u2028');
});
