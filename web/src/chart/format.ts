/** Numbers, times and durations as text. */

/**
 * A value with `digits` significant digits; integers are written out with thousands separators up to 1e15.
 * NaN and infinities have their own signs.
 */
export function formatValue(value: number, digits = 4): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return withMinus(value.toLocaleString('en-US'));
  if (size >= 1e6 || size < 1e-4) return withMinus(value.toExponential(digits - 1).replace('e+', 'e'));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return withMinus(value.toFixed(decimals));
}

/** Any logged value in one line. */
export function formatAny(value: unknown): string {
  if (typeof value === 'number') return shortNumber(value);
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return 'null';
  return JSON.stringify(value);
}

/** As it was written, unless that is very long. */
function shortNumber(value: number): string {
  const text = String(value);
  return text.length <= 10 || Number.isInteger(value) ? text : String(Number(value.toPrecision(6)));
}

const withMinus = (text: string): string => text.replace('-', '−').replace(/e−/, 'e-');

/** Elapsed seconds as `2h 14m`, `3m 20s`, `4.2s`. */
export function formatDuration(secs: number): string {
  if (!Number.isFinite(secs) || secs < 0) return '–';
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
