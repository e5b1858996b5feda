import { expect, test } from 'vitest';
import { rawFrame } from '../data/fixtures';
import { PanelData } from '../data/panelData';
import { heatCells, heatRows } from './heat';

const data = (runs: Record<string, [number, number][]>) =>
  new PanelData(rawFrame(Object.entries(runs).map(([run, points]) => ({ run, points }))));

test('a cell is the mean of what held in it', () => {
  const { series } = data({
    a: [
      [0, 10],
      [10, 30],
      [20, 50],
      [30, 50],
    ],
  });
  expect([...heatCells(series, [0, 40], 2).values]).toEqual([20, 50]);
  expect([...heatCells(series, [0, 40], 4).values]).toEqual([10, 30, 50, 50]);
});

test('a pause is empty, and so is what lies before the first sample', () => {
  const { series } = data({
    a: [
      [10, 1],
      [11, 1],
      [12, 1],
      [30, 1],
      [31, 1],
    ],
  });
  const { values } = heatCells(series, [0, 40], 8);
  expect([...values].map(Number.isNaN)).toEqual([true, true, false, true, true, true, false, true]);
});

test('what is no number is left out', () => {
  const { series } = data({
    a: [
      [0, NaN],
      [1, 5],
      [2, Infinity],
      [3, 7],
    ],
  });
  expect([...heatCells(series, [0, 4], 4).values]).toEqual([NaN, 5, NaN, 7]);
});

test('rows are in the order of the devices, writer by writer', () => {
  const found = data({ a: [], b: [], c: [], d: [] });
  const names = ['gpu.0.gpu', 'gpu.1.gpu', 'gpu.0.gpu', 'gpu.1.gpu'];
  const labels = ['rank10', 'rank2', 'rank2', 'rank10'];
  found.series.forEach(({ meta }, i) => Object.assign(meta, { metric: names[i], label: labels[i] }));
  expect(heatRows(found, ['gpu.0.gpu', 'gpu.1.gpu']).map(({ meta }) => meta.i)).toEqual([2, 1, 0, 3]);
});
