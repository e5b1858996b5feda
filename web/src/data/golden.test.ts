/** The golden files, read with nothing but what docs/format.md says. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decode, ExtensionCodec } from '@msgpack/msgpack';
import { expect, test } from 'vitest';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Record = { position: number; kind: number; content?: unknown };
type Damage = { segment: number; offset: number; end: number };
type Found = { records: Record[]; damages: Damage[] };
type Expected = { [folder: string]: { records: (Record & { content?: Json })[]; damages: Damage[] } };

const GOLDEN = fileURLToPath(new URL('../../../tests/golden/', import.meta.url));
const EXPECTED = JSON.parse(readFileSync(`${GOLDEN}expected.json`, 'utf8')) as Expected;
const MAGIC = [0x89, 0x53, 0x4c, 0x57, 0x0d, 0x0a, 0x1a, 0x0a];
const HEAD = 256;
const MAX_RECORD_BYTES = 12 * 2 ** 20;
const KNOWN_KINDS = new Set([0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14]);
const SEAL_KIND = 15;

const extensionCodec = new ExtensionCodec();
extensionCodec.register({
  type: 1,
  encode: () => null,
  decode: (digits) => BigInt(new TextDecoder().decode(digits)),
});

function crc32c(...parts: Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const part of parts) {
    for (const byte of part) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** One segment's bytes. */
class Segment {
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly number: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private text(at: number): string {
    return new TextDecoder().decode(this.bytes.subarray(at + 1, at + 1 + this.view.getUint8(at)));
  }

  head() {
    const { view, bytes } = this;
    return {
      magic: [...bytes.subarray(0, 8)],
      version: view.getUint16(8, true),
      number: view.getUint32(12, true),
      checks:
        view.getUint32(16, true) ===
        crc32c(bytes.subarray(0, 16), new Uint8Array(4), bytes.subarray(20, HEAD)),
      run: this.text(24),
      writer: this.text(152),
    };
  }

  /** The payload of the frame at `offset`, if one that checks is there. */
  private payload(offset: number): Uint8Array | undefined {
    if (offset + 8 > this.bytes.length) return undefined;
    const length = this.view.getUint32(offset, true);
    if (length === 0 || length > MAX_RECORD_BYTES || offset + 8 + length > this.bytes.length)
      return undefined;
    const seed = new DataView(new ArrayBuffer(12));
    [this.number, offset, length].forEach((part, at) => seed.setUint32(at * 4, part, true));
    const payload = this.bytes.subarray(offset + 8, offset + 8 + length);
    const crc = crc32c(new Uint8Array(seed.buffer), payload);
    return crc === this.view.getUint32(offset + 4, true) ? payload : undefined;
  }

  /** Where the bytes begin that are neither zeros nor in a hole that is announced. */
  private stray(start: number, end: number): number | undefined {
    for (let at = start; at < end;) {
      if (at + 8 > this.bytes.length)
        return this.bytes.subarray(at).every((byte) => byte === 0) ? undefined : at;
      const [length, coming] = [this.view.getUint32(at, true), this.view.getUint32(at + 4, true)];
      if (length === 0 && coming > 0 && coming <= MAX_RECORD_BYTES) at += 8 + Math.ceil(coming / 8) * 8;
      else if (length !== 0 || coming !== 0) return at;
      else at += 8;
    }
    return undefined;
  }

  /** Whether the bytes between two frames, or behind the last, are what no crash leaves. */
  private isDamage(start: number, end: number): boolean {
    const stray = this.stray(start, end);
    if (stray === undefined || end < this.bytes.length) return stray !== undefined;
    if (end - stray < 8) return false;
    const length = this.view.getUint32(stray, true);
    return length > MAX_RECORD_BYTES || stray + 8 + length <= end;
  }

  readInto(found: Found): void {
    let start = HEAD;
    const gap = (end: number) => {
      if (this.isDamage(start, end)) found.damages.push({ segment: this.number, offset: start, end });
    };
    for (let at = HEAD; at < this.bytes.length;) {
      const payload = this.payload(at);
      if (!payload) {
        at += 8;
        continue;
      }
      gap(at);
      const [kind, ...content] = decode(payload, { extensionCodec, useBigInt64: true }) as [
        number,
        ...unknown[],
      ];
      const record = { position: this.number * 2 ** 32 + at, kind };
      if (kind !== SEAL_KIND)
        found.records.push(KNOWN_KINDS.has(kind) ? { ...record, content: content.map(plain) } : record);
      start = at = at + 8 + Math.ceil(payload.length / 8) * 8;
    }
    gap(this.bytes.length);
  }
}

/**
 * What msgpack gives, with each integer as a number where a number holds it. Floats are numbers too:
 * that 1.0 was no integer is not seen here, the other readers see it.
 */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

/** The same of what `expected.json` holds. */
function untagged(value: Json): unknown {
  if (Array.isArray(value)) return value.map(untagged);
  if (typeof value === 'string') {
    const [, tag, text] = /^(int|float|str|bin):(.*)$/su.exec(value) ?? [];
    if (text === undefined) throw new Error(`no tag: ${value}`);
    if (tag === 'int') return plain(BigInt(text));
    if (tag === 'str' || tag === 'bin') return text;
    const bits = new DataView(new ArrayBuffer(8));
    bits.setBigUint64(0, BigInt(`0x${text}`));
    return bits.getFloat64(0);
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, untagged(item)]));
}

function segments(folder: string): [number, Segment][] {
  const wal = `${GOLDEN}${folder}/wal/w-0001/`;
  return readdirSync(wal)
    .sort()
    .map((name) => [parseInt(name, 10), new Segment(readFileSync(wal + name), parseInt(name, 10))]);
}

test.each(Object.keys(EXPECTED))('the documented format is enough to read every record of %s', (folder) => {
  const found: Found = { records: [], damages: [] };
  for (const [number, segment] of segments(folder)) {
    expect(segment.head()).toEqual({
      magic: MAGIC,
      version: 1,
      number,
      checks: true,
      run: 'golden',
      writer: 'w-0001',
    });
    segment.readInto(found);
  }
  const expected = EXPECTED[folder];
  const records = expected?.records.map(({ content, ...record }) =>
    content === undefined ? record : { ...record, content: untagged(content) },
  );
  expect(found).toEqual({ records, damages: expected?.damages });
});
