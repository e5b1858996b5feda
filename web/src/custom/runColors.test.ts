import { compile, type TopLevelSpec } from 'vega-lite';
import { expect, test } from 'vitest';
import type { Json, Spec } from '../data/chartData';
import { withRunColors } from './runColors';

const ROWS = [
  { name: 'b', color: '#0000ff', _name: 'b', _color: '#0000ff', v: 1, kind: 'x' },
  { name: 'a', color: '#ff0000', _name: 'a', _color: '#ff0000', v: 2, kind: 'y' },
  { name: 'a', color: '#ff0000', _name: 'a', _color: '#ff0000', v: 3, kind: 'x' },
];
const RECIPE = { field: 'name', type: 'nominal', scale: { range: { field: 'color' } } };
const Y = { field: 'v', type: 'quantitative' };
const density = { density: 'v', groupby: ['name'] };

/** The scales of colours that Vega-Lite makes. */
function scalesOf(spec: Spec): unknown[] {
  const whole = { data: { values: ROWS }, ...withRunColors(spec, ROWS) };
  const { scales = [] } = compile(whole as unknown as TopLevelSpec).spec;
  return (scales as unknown as Spec[])
    .filter(({ name }) => name === 'color')
    .map(({ domain, range }) => ({ domain, range }));
}

test.each([
  { mark: 'boxplot', encoding: { x: { field: 'name' }, y: Y, color: RECIPE } },
  { mark: 'errorbar', encoding: { x: { field: 'name' }, y: Y, color: RECIPE } },
  { mark: 'point', encoding: { x: Y, y: Y, color: RECIPE } },
  { mark: 'bar', encoding: { y: { aggregate: 'mean', field: 'v' }, color: RECIPE } },
  {
    transform: [density],
    mark: 'line',
    encoding: {
      x: { field: 'value', type: 'quantitative' },
      y: { field: 'density', type: 'quantitative' },
      color: RECIPE,
    },
  },
])('colours by run, whatever is made of the rows: %j', (spec) => {
  expect(scalesOf(spec as unknown as Spec)).toEqual([{ domain: ['a', 'b'], range: ['#ff0000', '#0000ff'] }]);
});

test('the names that no column can hide do as well, in views within views', () => {
  const color = { field: '_name', scale: { range: { field: '_color' }, type: 'ordinal' } };
  const spec = { hconcat: [{ layer: [{ mark: 'bar', encoding: { color } }] }] };
  expect(JSON.stringify(withRunColors(spec, ROWS))).toContain(
    '{"range":["#ff0000","#0000ff"],"type":"ordinal","domain":["a","b"]}',
  );
});

test.each<[string, Json]>([
  ['another field', { ...RECIPE, field: 'kind' }],
  ['another range', { ...RECIPE, scale: { range: { field: 'v' } } }],
  ['a domain of its own', { ...RECIPE, scale: { domain: ['a'], range: { field: 'color' } } }],
  ['no scale', { field: 'name', scale: null }],
])('leaves %s as it is', (_, color) => {
  const spec: Spec = { mark: 'bar', encoding: { color } };
  expect(withRunColors(spec, ROWS)).toEqual(spec);
});

test('leaves names that have several colours, and those that a transform makes', () => {
  const spec = { mark: 'bar', encoding: { color: RECIPE } };
  expect(withRunColors(spec, [...ROWS, { name: 'a', color: '#00ff00' }])).toEqual(spec);
  const made = { ...spec, transform: [{ calculate: '1', as: 'name' }] };
  expect(withRunColors(made, ROWS)).toEqual(made);
});
