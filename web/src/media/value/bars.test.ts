import { expect, test } from 'vitest';
import { barsOf } from './bars';

test('a histogram has bars, one without finite values has none', () => {
  const plain = { _type: 'histogram', values: [1, 2], bins: [0, 1, 2], nan: 3, inf: 1 };
  expect(barsOf(plain)).toEqual({ counts: [1, 2], edges: [0, 1, 2], odd: 4 });
  const packed = { _type: 'histogram', values: [1, 2], packedBins: { min: -1, size: 0.5, count: 2 } };
  expect(barsOf(packed)?.edges).toEqual([-1, -0.5, 0]);
  const nothing = { counts: [], edges: [] };
  expect(barsOf({ _type: 'histogram', values: [], bins: [], nan: 2 })).toEqual({ ...nothing, odd: 2 });
  expect(barsOf({ _type: 'histogram', values: [0, 0], bins: [0, 1, 2] })).toEqual({ ...nothing, odd: 0 });
  expect(barsOf({ _type: 'histogram', values: [1], bins: [0, 1, 2] })?.counts).toEqual([]);
  expect(barsOf({ _type: 'histogram' })?.counts).toEqual([]);
  expect([barsOf(null), barsOf('histogram'), barsOf({ _type: 'classes' })]).toEqual([null, null, null]);
});
