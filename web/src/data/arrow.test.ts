import { float64, int32, tableFromArrays, tableToIPC, uint16, uint32, uint8 } from '@uwdata/flechette';
import { expect, test } from 'vitest';
import { decodeArrow, decodeJson, decodeLive, splitStreams } from './arrow';
import { bucketFrame, rawFrame } from './fixtures';
import { PanelData, type PanelFrame } from './panelData';

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
