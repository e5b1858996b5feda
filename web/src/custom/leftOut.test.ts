import { expect, test } from 'vitest';
import { leftOut, leftOutText } from './leftOut';

const COLUMNS = [{ name: 'x' }, { name: "it's" }];
const ROWS = [
  { x: 1, "it's": 2 },
  { x: NaN, "it's": 2 },
  { x: 1, "it's": null },
  { x: 1, "it's": Infinity },
  { x: 'a', "it's": -1 },
];
const y = { field: "it's", type: 'quantitative' };

test('counts rows that have no number where one is drawn', () => {
  expect(leftOut({ mark: 'line', encoding: { x: { field: 'x', type: 'nominal' }, y } }, ROWS, COLUMNS)).toBe(
    2,
  );
  expect(
    leftOut({ mark: 'line', encoding: { x: { field: 'x', type: 'quantitative' }, y } }, ROWS, COLUMNS),
  ).toBe(4);
  expect(leftOut({ layer: [{ mark: 'bar', encoding: { y } }] }, ROWS, COLUMNS)).toBe(2);
  expect(leftOut({ facet: {}, spec: { mark: 'bar', encoding: { y } } }, ROWS, COLUMNS)).toBe(2);
});

test('counts none that are drawn otherwise', () => {
  for (const encoding of [
    { y: { ...y, aggregate: 'mean' } },
    { y: { ...y, impute: { value: 0 } } },
    { y: { field: "it's", type: 'nominal' } },
    { tooltip: y },
    { y: { field: 'made', type: 'quantitative' } },
  ])
    expect(leftOut({ mark: 'bar', encoding }, ROWS, COLUMNS)).toBe(0);
  const shown = { mark: { type: 'bar', invalid: null }, encoding: { y } };
  expect(leftOut(shown, ROWS, COLUMNS)).toBe(0);
  const times = { mark: 'bar', encoding: { x: { field: 'x', type: 'temporal' } } };
  expect(leftOut(times, [{ x: '2020-01-01' }, { x: 5 }, { x: null }], COLUMNS)).toBe(1);
});

test('says how many they are', () => {
  expect([0, 1, 2000].map(leftOutText)).toEqual([
    null,
    '1 row left out: no number',
    '2,000 rows left out: no number',
  ]);
});
