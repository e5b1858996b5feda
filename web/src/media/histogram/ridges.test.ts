import { expect, test } from 'vitest';
import { densityOf, valueRange, type Column } from './columns';
import { chosenColumns, greatestOf, outlineOf } from './ridges';

const column = (step: number, edges: number[], counts: number[]): Column => ({
  ...{ step, last: step, merged: 1, edges, counts, sum: counts.reduce((a, b) => a + b, 0) },
  ...{ nan: 0, inf: 0, negInf: 0, percentiles: [] },
});

test('some columns are chosen at even distances, with both ends', () => {
  const columns = Array.from({ length: 100 }, (_, step) => column(step, [0, 1], [1]));
  expect(chosenColumns(columns, 4).map(({ step }) => step)).toEqual([0, 33, 66, 99]);
  expect(chosenColumns(columns.slice(0, 3), 4)).toHaveLength(3);
  expect(chosenColumns([])).toEqual([]);
});

test('an outline is the density of each bin, whatever its width, and closes', () => {
  // 1 of 4 values in a bin of width 1, 3 in one of width 3: the same density.
  expect(outlineOf(column(0, [0, 1, 4], [1, 3]))).toEqual([
    [0, 0],
    [0, 0.25],
    [1, 0.25],
    [1, 0.25],
    [4, 0.25],
    [4, 0],
  ]);
  expect(outlineOf(column(0, [], []))).toEqual([]);
});

test('the greatest density is that of the sharpest peak', () => {
  expect(greatestOf([column(0, [0, 1], [5]), column(1, [0, 0.1], [2])])).toBeCloseTo(10);
  expect(greatestOf([])).toBe(0);
  expect(greatestOf([column(0, [0, 1], [0])])).toBe(0);
});

test('what spans all floats has densities and a range', () => {
  const wide = column(0, [-1e308, 1e308], [4]);
  expect(densityOf(wide, 0) * 1e308).toBeCloseTo(0.5);
  expect(greatestOf([wide])).toBeGreaterThan(0);
  const run = (columns: Column[]) => [{ run: 'a', label: '', skipped: 0, columns }];
  expect(valueRange(run([wide]))).toEqual([-1e308, 1e308]);
  const { MAX_VALUE } = Number;
  expect(valueRange(run([column(0, [MAX_VALUE, MAX_VALUE], [1])]))?.every(Number.isFinite)).toBe(true);
  expect(densityOf(column(0, [0, Number.MIN_VALUE], [1]), 0)).toBeGreaterThan(0);
});
