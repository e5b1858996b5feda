/** Numbers, times and durations as text. */
import { Exact, exactText, numberOf } from '../data/exactJson';

/**
 * A value with `digits` significant digits; integers below `whole` are written out with thousands separators.
 * NaN and infinities have their own signs.
 */
export function formatValue(value: number, digits = 4, whole = 1e15): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+∞' : '−∞';
  if (value === 0) return Object.is(value, -0) ? '−0' : '0';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < whole) return withMinus(value.toLocaleString('en-US'));
  if (size >= 1e6 || size < 1e-4) return withMinus(value.toExponential(digits - 1).replace('e+', 'e'));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return withMinus(
    value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
  );
}

/** An integer with thousands separators, every digit of it. */
export function formatWhole(value: number | Exact): string {
  return withMinus(BigInt(value instanceof Exact ? value.text : value).toLocaleString('en-US'));
}

/** A step of an x axis; where the axis cannot tell neighbours apart, it says about which. */
export function formatStep(value: number): string {
  const step = Math.round(value);
  return Number.isSafeInteger(step) ? formatWhole(step) : `≈ ${formatValue(step, 16, 0)}`;
}

/** Digits of a number in a table before its fraction is cut off. */
const TABLE_DIGITS = 12;

/** A logged value for a table: exact, or with a `…` where the rest of a long fraction is left out. */
export function formatLogged(value: unknown): string {
  const text = exactText(value);
  const parts = numberOf(value) === null ? null : /^(-?)(\d+)\.(0*)(\d+)(e.*)?$/.exec(text);
  if (!parts) return text;
  const [, sign, whole, zeros, rest, exponent] = parts as unknown as [
    string,
    string,
    string,
    string,
    string,
    string?,
  ];
  const room = whole === '0' ? TABLE_DIGITS : Math.max(1, TABLE_DIGITS - whole.length - zeros.length);
  const short = `${sign}${whole}.${zeros}${rest.slice(0, room)}…${exponent ?? ''}`;
  return short.length < text.length ? short : text;
}

/** A value of the summary: as logged, but the keys that hold a time read as one. */
export function formatSummary(value: unknown, path: readonly string[]): string {
  const number = numberOf(value);
  if (number !== null && path.length === 1) {
    if (path[0] === '_timestamp' && Math.abs(number) < LAST_INSTANT_SECS) return formatInstant(number);
    if (path[0] === '_runtime' && number >= 0) return formatDuration(number);
  }
  return formatLogged(value);
}

/** What a JavaScript date can hold. */
const LAST_INSTANT_SECS = 8.64e12;

const withMinus = (text: string): string => text.replace('-', '−').replace(/e−/, 'e-');

/** Elapsed seconds as `2h 14m`, `3m 20s`, `4.2s`, `0.28ms`. */
export function formatDuration(secs: number): string {
  if (!Number.isFinite(secs) || secs < 0) return '–';
  if (secs > 0 && secs < 0.1) return `${Number((secs * 1000).toPrecision(2))}ms`;
  if (secs < 10) return `${secs.toFixed(1)}s`;
  if (secs < 60) return `${Math.floor(secs)}s`;
  const parts: [number, string][] = [
    [86400, 'd'],
    [3600, 'h'],
    [60, 'm'],
    [1, 's'],
  ];
  const first = parts.findIndex(([size]) => secs >= size);
  return parts
    .slice(first, first + 2)
    .map(([size, unit], i) => {
      const whole = i === 0 ? secs / size : (secs % (parts[first]?.[0] ?? 1)) / size;
      return `${Math.floor(whole)}${unit}`;
    })
    .join(' ');
}

/** How long ago an instant is, both in epoch seconds. */
export function formatAgo(at: number, now: number): string {
  const secs = Math.max(0, now - at);
  if (secs < 5) return 'just now';
  if (secs < 60) return `${Math.floor(secs)} s ago`;
  if (secs < 3600) return `${Math.floor(secs / 60)} min ago`;
  if (secs < 86400) return `${Math.floor(secs / 3600)} h ago`;
  return `${Math.floor(secs / 86400)} d ago`;
}

/** An instant (epoch seconds) in the browser's language and zone. */
export function formatInstant(secs: number): string {
  return new Date(secs * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}
