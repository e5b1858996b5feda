import { expect, test } from 'vitest';
import { bucketFrame, rawFrame, type Logged } from '../data/fixtures';
import { PanelData, type Series } from '../data/panelData';
import {
  boundedRange,
  flagNames,
  fractionsOf,
  marksOf,
  touches,
  wholeRange,
  xExtent,
  yExtent,
  yRange,
  type Range,
} from './extent';
import { linearTicks, logTicks } from './ticks';

const points: [number, number][] = [
  [0, 5],
  [1, NaN],
  [2, -1],
  [3, Infinity],
  [4, 2],
];
const raw = new PanelData(rawFrame([{ run: 'a', points }]));
const buckets = new PanelData(bucketFrame([{ run: 'a', points }], 2));
const all: Range = [0, 4];
const [rawSeries] = raw.series as [Series];
const [bucketSeries] = buckets.series as [Series];

test('NaN and infinities do not stretch the y axis', () => {
  expect(yExtent(rawSeries.track, raw.header, all, false)).toEqual([-1, 5]);
  expect(yExtent(rawSeries.track, raw.header, all, true)).toEqual([2, 5]);
  expect(yExtent(bucketSeries.track, buckets.header, [0, 1], false)).toEqual([5, 5]);
});

test('each NaN and infinity has a mark', () => {
  expect(marksOf(rawSeries, all)).toEqual([
    { sign: 'nan', x: 1 },
    { sign: 'up', x: 3 },
  ]);
  expect(marksOf(bucketSeries, all)[0]).toEqual({ sign: 'nan', x: 0.5 });
  expect(flagNames(7)).toEqual(['NaN', '+∞', '−∞']);
});

test('a zoom between two values follows the line that joins them', () => {
  const logged: Logged[] = [
    {
      run: 'a',
      points: [
        [0, 10],
        [10, 20],
      ],
    },
  ];
  for (const line of [new PanelData(rawFrame(logged)), new PanelData(bucketFrame(logged, 1))]) {
    const [{ track }] = line.series as [Series];
    expect(yExtent(track, line.header, [2, 6], false)).toEqual([12, 16]);
    expect(touches(track, [2, 6])).toBe(true);
    expect(touches(track, [11, 12])).toBe(false);
    expect(touches(track, [-2, -1])).toBe(false);
    expect(touches(track, [-2, 0])).toBe(true);
  }
});

test('what lies in the bucket next to the plot does not stretch its y axis', () => {
  const spike: Logged[] = [{ run: 'a', points: [0, 1, 2, 3].map((x) => [x, x === 1 ? 1000 : x]) }];
  const near = new PanelData(bucketFrame(spike, 1));
  const [{ track }] = near.series as [Series];
  expect(yExtent(track, near.header, [2, 3.9], false)).toEqual([2, 3]);
});

test('a constant has room on both sides', () => {
  expect(yRange([5, 5], false)).toEqual([4.5, 5.5]);
  expect(yRange([0, 0], false)).toEqual([-1, 1]);
  expect(yRange([4, 4], true)).toEqual([2, 8]);
});

test('a range without data is one', () => {
  expect(yRange(null, false)).toEqual([0, 1]);
});

test.each([
  [-1.7e308, 1.7e308],
  [-Number.MAX_VALUE, Number.MAX_VALUE],
  [Number.MAX_VALUE, Number.MAX_VALUE],
  [1e300, 1.9e300],
  [1e-300, 1.9e-300],
  [5e-324, 5e-324],
  [0, 1e-323],
  [-5e-324, 5e-324],
  [1, 1 + 2 ** -52],
  [2 ** 63 - 1024, 2 ** 63],
  [3, 3],
])('values from %d to %d have a place and labels', (low, high) => {
  for (const log of low > 0 ? [false, true] : [false]) {
    const range = yRange([low, high], log);
    const place = fractionsOf(range, log);
    expect(place(range[0])).toBeCloseTo(0);
    expect(place(range[1])).toBeCloseTo(1);
    expect(place(low)).toBeGreaterThanOrEqual(0);
    expect(place(high)).toBeLessThanOrEqual(1);
    if (low < high) expect(place(high)).toBeGreaterThan(place(low));
    for (const count of [2, 3, 5, 6]) {
      const { at, labels } = log ? logTicks(...range, count) : linearTicks(...range, count);
      const named = labels.filter(Boolean);
      expect(named.length).toBeGreaterThanOrEqual(2);
      expect(new Set(named).size).toBe(named.length);
      expect(Math.max(...named.map((label) => label.length))).toBeLessThanOrEqual(11);
      for (const value of at) expect(Math.abs(place(value) - 0.5)).toBeLessThan(0.5 + 1e-6);
    }
  }
});

test('a single point has an x range', () => {
  expect(xExtent(new PanelData(rawFrame([{ run: 'a', points: [[7, 1]] }])))).toEqual([6, 8]);
  const huge = new PanelData(rawFrame([{ run: 'a', points: [[2 ** 62, 1]] }]));
  expect(xExtent(huge)).toEqual([2 ** 62 - 4096, 2 ** 62 + 4096]);
  expect(xExtent(new PanelData(rawFrame([{ run: 'a', points: [] }])))).toBe(null);
  expect(xExtent(raw)).toEqual([0, 4]);
});

test('a dragged range is whole unless it is tiny', () => {
  expect(wholeRange([3.7, 90.2])).toEqual([3, 91]);
  expect(wholeRange([0.1, 0.9])).toEqual([0.1, 0.9]);
});

test('a scale with bounds shows them, and what lies beyond', () => {
  expect(boundedRange([20, 60], [0, 100])).toEqual([0, 100]);
  expect(boundedRange(null, [0, 100])).toEqual([0, 100]);
  expect(boundedRange([0, 0], [0, null])).toEqual([0, 1]);
  const [low, high] = boundedRange([-5, 101], [0, 100]);
  expect(low).toBeLessThan(-5);
  expect(high).toBeGreaterThan(101);
  expect(boundedRange([10, 20], [null, null])).toEqual(yRange([10, 20], false));
});
