import { expect, test } from 'vitest';
import { bucketX, type BucketTrack } from '../data/panelData';
import { gapLimit, traceBuckets, traceGroup, traceRaw } from './m4';

class Recorder {
  moves: string[] = [];
  moveTo(x: number, y: number) {
    this.moves.push(`M${x},${y}`);
  }
  lineTo(x: number, y: number) {
    this.moves.push(`L${x},${y}`);
  }
}

/** Rows: bucket, first, min, max, last, mean, n, ff. */
function track(rows: number[][]): BucketTrack {
  const column = (i: number) => Float64Array.from(rows, (row) => row[i] as number);
  return {
    kind: 'bucket',
    b: column(0),
    x: column(0),
    first: column(1),
    min: column(2),
    max: column(3),
    last: column(4),
    mean: column(5),
    n: column(6),
    ff: column(7),
    fl: new Float64Array(rows.length),
  };
}
const map = { x: (x: number) => x, y: (y: number) => y };
const grid = { x0: 0, dx: 1 };

function trace(rows: number[][], range: [number, number] = [-Infinity, Infinity]) {
  const pens = { envelope: new Recorder(), line: new Recorder() };
  const dots = traceBuckets(track(rows), grid, range, map, pens);
  return { envelope: pens.envelope.moves, line: pens.line.moves, dots };
}

test('joins first, min, max and last in the order they came', () => {
  const { envelope } = trace([
    [0, 2, 1, 9, 3, 2, 4, 0],
    [1, 3, 0, 8, 4, 3, 4, 1],
  ]);
  expect(envelope).toEqual(['M0,2', 'L0,1', 'L0,9', 'L0,3', 'L1,3', 'L1,8', 'L1,0', 'L1,4']);
});

test('a spike of one step is a stroke to its value', () => {
  const rows = Array.from({ length: 50 }, (_, i) => [i, 1, 1, i === 20 ? 1000 : 1, 1, 1.2, 64, 0]);
  expect(trace(rows).envelope).toContain('L20,1000');
});

test('the line goes through the means', () => {
  const { line } = trace([
    [0, 0, 0, 4, 2, 1.5, 4, 0],
    [1, 0, 0, 4, 2, 1.25, 4, 0],
  ]);
  expect(line).toEqual(['M0,1.5', 'L1,1.25']);
});

test('a long stretch of empty buckets is a gap, the usual distance is not', () => {
  const dense = [0, 1, 2, 3, 20, 21].map((b) => [b, 1, 1, 1, 1, 1, 1, 0]);
  expect(trace(dense).line).toEqual(['M0,1', 'L1,1', 'L2,1', 'L3,1', 'M20,1', 'L21,1']);
  const sparse = [0, 10, 20, 30].map((b) => [b, 1, 1, 1, 1, 1, 1, 0]);
  expect(trace(sparse).line).toEqual(['M0,1', 'L10,1', 'L20,1', 'L30,1']);
  expect(gapLimit(Float64Array.of(0, 10, 20))).toBe(40);
});

test('a bucket with only NaN breaks the line', () => {
  const rows = [0, 1, 2].map((b) => [b, 1, 1, 1, 1, 1, b === 1 ? 0 : 1, 0]);
  const { line, dots } = trace(rows);
  expect(line).toEqual(['M0,1', 'M2,1']);
  expect(dots).toEqual([0, 1, 2, 1]);
});

test('draws one bucket beyond each side of the range', () => {
  const rows = Array.from({ length: 100 }, (_, b) => [b, 1, 1, 1, 1, 1, 1, 0]);
  const { line } = trace(rows, [40, 42]);
  expect(line).toEqual(['M39,1', 'L40,1', 'L41,1', 'L42,1', 'L43,1']);
});

test('a group is the outline of its range, closed at each gap, and the line of its means', () => {
  const rows = [0, 1, 2, 30].map((b) => [b, 3, 1, 9 + b, 3, 3, 2, 0]);
  const pens = { band: new Recorder(), line: new Recorder() };
  const dots = traceGroup({ ...track(rows), kind: 'group' }, grid, [-Infinity, Infinity], map, pens);
  expect(pens.band.moves).toEqual([
    ...['M0,9', 'L1,10', 'L2,11', 'L2,1', 'L1,1', 'L0,1', 'L0,9'],
    ...['M30,39', 'L30,1', 'L30,39'],
  ]);
  expect(pens.line.moves).toEqual(['M0,3', 'L1,3', 'L2,3', 'M30,3']);
  expect(dots).toEqual([30, 3]);
});

test('buckets of one step are drawn at their step', () => {
  expect(bucketX({ x0: 128, dx: 1 }, 3)).toBe(131);
  expect(bucketX({ x0: 0, dx: 16 }, 0)).toBe(7.5);
});

test('logged values join, NaN and infinities break', () => {
  const pen = new Recorder();
  const raw = { kind: 'raw' as const, x: Float64Array.of(0, 1, 2, 3), y: Float64Array.of(5, NaN, 6, 7) };
  const { alone, all } = traceRaw(raw, [0, 3], map, pen);
  expect(pen.moves).toEqual(['M0,5', 'M2,6', 'L3,7']);
  expect(alone).toEqual([0, 5]);
  expect(all).toEqual([0, 5, 2, 6, 3, 7]);
});

test('a single value is a dot', () => {
  const raw = { kind: 'raw' as const, x: Float64Array.of(4), y: Float64Array.of(2) };
  expect(traceRaw(raw, [3, 5], map, new Recorder()).alone).toEqual([4, 2]);
});
