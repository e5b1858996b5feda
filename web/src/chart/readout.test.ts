import { expect, test } from 'vitest';
import { bucketFrame, rawFrame } from '../data/fixtures';
import { PanelData } from '../data/panelData';
import { readAt, stepX } from './readout';

const a = { run: 'a', points: [0, 10, 20].map((x) => [x, x] as [number, number]) };
const b = { run: 'b', points: [0, 10].map((x) => [x, 100 - x] as [number, number]) };
const raw = new PanelData(rawFrame([a, b]));

test('reads the nearest logged value, greatest first, and never between', () => {
  const readings = readAt(raw, 11, 5);
  expect(readings.map((reading) => [reading.series.meta.run, reading.x, reading.value])).toEqual([
    ['b', 10, 90],
    ['a', 10, 10],
  ]);
  expect(readAt(raw, 15.1, 4)).toHaveLength(0);
  expect(readAt(raw, 19, 4).map((reading) => reading.series.meta.run)).toEqual(['a']);
});

test('a bucket says its edges, mean and count', () => {
  const data = new PanelData(bucketFrame([a], 16));
  expect(readAt(data, 3, 0)[0]).toMatchObject({ bucket: [0, 16], n: 2, value: 5, min: 0, max: 10 });
});

test('arrow keys walk from row to row and stop at the end', () => {
  expect(stepX(raw, 0, 1)).toBe(10);
  expect(stepX(raw, 10, 1)).toBe(20);
  expect(stepX(raw, 20, 1)).toBe(null);
  expect(stepX(raw, 20, -1)).toBe(10);
  const data = new PanelData(bucketFrame([a], 16));
  expect(stepX(data, 7.5, 1)).toBe(23.5);
  expect(stepX(data, 23.5, -1)).toBe(7.5);
});
