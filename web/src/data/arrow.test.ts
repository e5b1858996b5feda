import { float64, int32, tableFromArrays, tableToIPC, uint16, uint32, uint8 } from '@uwdata/flechette';
import { expect, test } from 'vitest';
import { decodeArrow, decodeJson, decodeLive, splitStreams } from './arrow';
import { bucketFrame, rawFrame } from './fixtures';
import { PanelData, type BucketTrack, type PanelFrame } from './panelData';
import type { PanelHeader } from './types';

const TYPES = { s: uint16(), b: int32(), n: uint32(), fl: uint8(), ff: uint8() };

function encode(frame: PanelFrame): Uint8Array {
  const columns = { ...(frame.raw ?? frame.bucket) } as Record<string, number[]>;
  const types = Object.fromEntries(
    Object.keys(columns).map((name) => [name, TYPES[name as keyof typeof TYPES] ?? float64()]),
  );
  const table = tableFromArrays(columns, { types });
  table.schema.metadata = new Map([['panel', JSON.stringify(frame.header)]]);
  return tableToIPC(table, { format: 'stream' }) as Uint8Array;
}
const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

const points: [number, number][] = [
  [0, 1.5],
  [1, NaN],
  [2, Infinity],
  [9, -3],
];
const buckets = bucketFrame(
  [
    { run: 'a', points },
    { run: 'b', points: [] },
  ],
  4,
);
const raw = rawFrame([{ run: 'a', points }]);

test('splits concatenated streams and decodes each', () => {
  const bytes = join(encode(buckets), encode(raw));
  expect(splitStreams(bytes)).toHaveLength(2);
  const [first, second] = decodeArrow(bytes).map((frame) => new PanelData(frame));
  expect(first?.series).toEqual(new PanelData(buckets).series);
  expect(second?.series).toEqual(new PanelData(raw).series);
});

test('bytes that end early are an error', () => {
  const bytes = encode(raw);
  expect(() => splitStreams(bytes.slice(0, -8))).toThrow(RangeError);
  expect(splitStreams(new Uint8Array(0))).toEqual([]);
});

test('a live frame begins with its subscription', () => {
  const bytes = join(Uint8Array.of(7, 1, 0, 0), encode(raw));
  const { id, frames } = decodeLive(bytes.buffer as ArrayBuffer);
  expect(id).toBe(263);
  expect(frames[0]?.header.mode).toBe('raw');
});

test('JSON says the same as Arrow', () => {
  const columns = {
    s: [0, 0, 0, 0],
    x: [0, 1, 2, 9],
    y: [1.5, 'NaN', 'Infinity', -3],
  };
  const [frame] = decodeJson([{ ...raw.header, columns }]);
  expect(new PanelData(frame as PanelFrame).series).toEqual(new PanelData(raw).series);
});

test('a group comes as its mean and range, and is patched by bucket', () => {
  const header: PanelHeader = { ...buckets.header, mode: 'group', series: buckets.header.series.slice(0, 1) };
  const frame = (b: number[], gcenter: number[]) =>
    decodeJson([
      {
        ...header,
        columns: {
          s: b.map(() => 0),
          b,
          x: b.map((bucket) => bucket * 4 + 1),
          gcenter,
          glo: gcenter.map((value) => value - 1),
          ghi: gcenter.map((value) => value + 2),
          gn: b.map(() => 3),
          fl: b.map(() => 0),
        },
      },
    ])[0] as PanelFrame;
  const data = new PanelData(frame([0, 1], [5, 6]));
  expect(data.apply(frame([1, 2], [7, 8]))).toBe(true);
  const track = data.series[0]?.track as BucketTrack;
  expect(track.kind).toBe('group');
  expect([...track.x]).toEqual([1, 5, 9]);
  expect([...track.mean]).toEqual([5, 7, 8]);
  expect([...track.min]).toEqual([4, 6, 7]);
  expect([...track.max]).toEqual([7, 9, 10]);
  expect([...track.n]).toEqual([3, 3, 3]);
  expect(data.apply(buckets)).toBe(false);
});
