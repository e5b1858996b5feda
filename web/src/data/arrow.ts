/** Panels out of Arrow IPC streams that lie one after another, and out of the JSON fallback. */
import { tableFromIPC } from '@uwdata/flechette';
import { bucketX, type BucketColumns, type PanelFrame, type RawColumns } from './panelData';
import type { PanelHeader } from './types';

const CONTINUATION = 0xffffffff;

/** Length of a message's body: field 3 (`bodyLength`) of the flatbuffer `Message` at `start`. */
function bodyLength(view: DataView, start: number): number {
  const table = start + view.getUint32(start, true);
  const vtable = table - view.getInt32(table, true);
  const slot = 4 + 3 * 2;
  if (view.getUint16(vtable, true) <= slot) return 0;
  const offset = view.getUint16(vtable + slot, true);
  return offset === 0 ? 0 : Number(view.getBigInt64(table + offset, true));
}

/**
 * Splits concatenated Arrow IPC streams at their end-of-stream marks.
 *
 * @throws RangeError when the bytes end inside a stream.
 */
export function splitStreams(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const streams: Uint8Array[] = [];
  let start = 0;
  let at = 0;
  while (at < bytes.byteLength) {
    if (view.getUint32(at, true) !== CONTINUATION) throw new RangeError('not an Arrow IPC stream');
    const metadataLength = view.getUint32(at + 4, true);
    at += 8;
    if (metadataLength === 0) {
      // Copied, because flechette wants columns that start at a multiple of 8.
      streams.push(bytes.slice(start, at));
      start = at;
    } else {
      at += metadataLength + bodyLength(view, at);
    }
  }
  if (start !== at || at !== bytes.byteLength) throw new RangeError('the Arrow stream ends early');
  return streams;
}

const EMPTY = new Float64Array(0);

/** Columns that a server may leave out: mean and last value stand in for each other, flags are "none". */
type Column = (name: string) => ArrayLike<number> | null;

function bucketColumns(header: PanelHeader, column: Column): BucketColumns {
  const b = column('b') ?? EMPTY;
  const none = new Uint8Array(b.length);
  const last = column('last') ?? column('mean') ?? EMPTY;
  return {
    s: column('s') ?? EMPTY,
    b,
    x: Float64Array.from(b, (bucket) => bucketX(header, bucket)),
    first: column('first') ?? last,
    min: column('min') ?? last,
    max: column('max') ?? last,
    last,
    mean: column('mean') ?? last,
    n: column('n') ?? EMPTY,
    fl: column('fl') ?? none,
    ff: column('ff') ?? none,
  };
}

/** A group as buckets that have neither a first nor a last value. */
function groupColumns(column: Column): BucketColumns {
  const b = column('b') ?? EMPTY;
  const none = new Uint8Array(b.length);
  const mean = column('gcenter') ?? EMPTY;
  return {
    s: column('s') ?? EMPTY,
    b,
    x: column('x') ?? EMPTY,
    first: mean,
    min: column('glo') ?? mean,
    max: column('ghi') ?? mean,
    last: mean,
    mean,
    n: column('gn') ?? EMPTY,
    fl: column('fl') ?? none,
    ff: none,
  };
}

function rawColumns(column: Column): RawColumns {
  return { s: column('s') ?? EMPTY, x: column('x') ?? EMPTY, y: column('y') ?? EMPTY };
}

function frameOf(header: PanelHeader, column: Column): PanelFrame {
  if (header.mode === 'raw') return { header, bucket: null, raw: rawColumns(column) };
  const bucket = header.mode === 'group' ? groupColumns(column) : bucketColumns(header, column);
  return { header, bucket, raw: null };
}

/** Decodes one or more concatenated streams, one panel each. */
export function decodeArrow(bytes: Uint8Array): PanelFrame[] {
  return splitStreams(bytes).map((stream) => {
    const table = tableFromIPC(stream);
    const json = table.schema.metadata?.get('panel');
    if (json === undefined) throw new RangeError('an Arrow stream without its panel header');
    const header = JSON.parse(json) as PanelHeader;
    return frameOf(header, (name) => {
      const column = table.getChild(name);
      return column ? (column.toArray() as ArrayLike<number>) : null;
    });
  });
}

const SPECIAL: Record<string, number> = { NaN: NaN, Infinity: Infinity, '-Infinity': -Infinity };

/** Decodes the JSON form of the same answer. */
export function decodeJson(panels: readonly (PanelHeader & { columns: Record<string, unknown[]> })[]) {
  return panels.map(({ columns, ...header }) =>
    frameOf(header, (name) => {
      const column = columns[name];
      if (!column) return null;
      return Float64Array.from(column, (value) =>
        typeof value === 'number' ? value : (SPECIAL[String(value)] ?? NaN),
      );
    }),
  );
}

/** A live frame: a little-endian u32 subscription id, then streams as in an answer. */
export function decodeLive(buffer: ArrayBuffer): { id: number; frames: PanelFrame[] } {
  const id = new DataView(buffer).getUint32(0, true);
  return { id, frames: decodeArrow(new Uint8Array(buffer, 4).slice()) };
}
