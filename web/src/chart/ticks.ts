/** Where the ticks of an axis are and what stands beside them. */
import type { XAxis } from '../data/types';

export interface Ticks {
  at: number[];
  /** One label per tick; empty for a grid line without a label. */
  labels: string[];
}

/** The smallest of 1, 2, 5 × 10^k that is >= size; 1e308 at most. */
export function niceStep(size: number): number {
  const power = Math.floor(Math.log10(size));
  // As text: 10 ** -324 is nothing, and 10 ** -300 is not 1e-300.
  for (const step of [`1e${power}`, `2e${power}`, `5e${power}`].map(Number))
    if (size <= step * (1 + 1e-9)) return Math.min(step, 1e308);
  return Math.min(Number(`1e${power + 1}`), 1e308);
}

const SUFFIXES: [number, string][] = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
];
const NO_SUFFIX: [number, string] = [1, ''];

/** Between two labels of an x axis, in CSS pixels. */
const LABEL_GAP = 12;

/**
 * The ticks of an x axis whose labels do not run into each other: those for `count`, or else for fewer; at the
 * least those for one.
 *
 * @param place Where a value lies, in CSS pixels.
 * @param widthOf How wide a label is drawn, in CSS pixels.
 */
export function fittingTicks(
  make: (count: number) => Ticks,
  count: number,
  place: (value: number) => number,
  widthOf: (label: string) => number,
): Ticks {
  const ticks = make(count);
  const widths = ticks.labels.map(widthOf);
  const fits = ticks.at.every((at, i) => {
    if (i === 0) return true;
    const half = ((widths[i - 1] as number) + (widths[i] as number)) / 2;
    return place(at) - place(ticks.at[i - 1] as number) >= half + LABEL_GAP;
  });
  return fits || count <= 1 ? ticks : fittingTicks(make, count - 1, place, widthOf);
}

/** Characters of the longest label: a fifth of a narrow chart's width. */
const LONGEST = 11;

/**
 * Labels with the decimals that the step needs, and no more. Where those are too many, the first label says from
 * where, cut off with a `…` if need be, and the others how much more.
 */
export function labelTicks(at: readonly number[], step: number): string[] {
  const labels = wholeLabels(at, step);
  const [first, ...others] = at;
  if (first === undefined || others.length === 0) return labels;
  if (new Set(labels).size === labels.length && labels.every((label) => label.length <= LONGEST))
    return labels;
  // Multiples of the step: differences of huge numbers are not.
  const more = others.map((value) => Math.max(1, Math.round((value - first) / step)) * step);
  return [cutOff(first), ...wholeLabels(more, step).map((label) => `+${label}`)];
}

function cutOff(value: number): string {
  const text = minus(String(value));
  if (text.length <= LONGEST) return text;
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string];
  return `${minus(mantissa).slice(0, value < 0 ? 5 : 4)}…e${exponent.replace('+', '')}`;
}

function wholeLabels(at: readonly number[], step: number): string[] {
  const greatest = Math.max(0, ...at.map(Math.abs));
  if (greatest >= 1e15 || (greatest > 0 && greatest < 1e-4)) {
    const digits = Math.max(0, Math.ceil(Math.log10(greatest / step)));
    return at.map((value) => (value === 0 ? '0' : shortExponent(value, Math.min(digits, 6))));
  }
  // 850 rather than 0.85k: no label is below its unit.
  const least = Math.min(...at.filter(Boolean).map(Math.abs));
  const longest = (labels: readonly string[]) => Math.max(...labels.map((label) => label.length));
  return [...SUFFIXES.filter(([size]) => least >= size * (1 - 1e-9)), NO_SUFFIX]
    .map((unit) => unitLabels(at, step, unit))
    .reduce((best, labels) => (longest(labels) < longest(best) ? labels : best));
}

function unitLabels(
  at: readonly number[],
  step: number,
  [unit, suffix]: readonly [number, string],
): string[] {
  const decimals = Math.min(12, Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9)));
  const labels = at.map((value) =>
    value === 0 ? '0' : `${minus((value / unit).toFixed(decimals))}${suffix}`,
  );
  // The end of an axis to a million reads 1M.
  const greater = SUFFIXES[SUFFIXES.findIndex(([size]) => size === unit) - 1]?.[1];
  if (suffix && greater && labels.at(-1) === `1000${suffix}`) labels[labels.length - 1] = `1${greater}`;
  return labels;
}

const minus = (text: string): string => text.replace('-', '−');

function shortExponent(value: number, digits: number): string {
  const [mantissa, exponent] = value.toExponential(digits).split('e') as [string, string];
  return `${minus(mantissa.replace(/\.?0+$/, ''))}e${exponent.replace('+', '')}`;
}

/** Ticks of a linear axis, at most `count`, unless fewer than two would be left. */
export function linearTicks(min: number, max: number, count: number, whole = false): Ticks {
  if (!(max > min) || !Number.isFinite(min) || !Number.isFinite(max)) return { at: [], labels: [] };
  const parts = Math.max(1, count);
  // No finer than the floats are there, and not by max - min, which may be no finite number.
  const least = Math.max(Math.abs(min), Math.abs(max)) * 2 ** -52;
  let step = niceStep(Math.max(max / parts - min / parts, least, Number.MIN_VALUE));
  if (whole) step = Math.max(1, step);
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.min(Math.floor(max / step + 1e-9), first + 99);
  const at: number[] = [];
  for (let i = first; i <= last; i++) at.push(clean(i * step, step));
  if (at.length < 2 && !whole && count < 8) return linearTicks(min, max, count + 1);
  return { at, labels: labelTicks(at, step) };
}

/** Removes the noise of `3 * 0.1`. */
function clean(value: number, step: number): number {
  const decimals = -Math.floor(Math.log10(step)) + 1;
  return decimals > 0 && decimals < 20 ? Number(value.toFixed(decimals)) : value;
}

/** Ticks of a log axis: a grid line per digit over few decades, labels at 1 (2, 5). Both ends are positive. */
export function logTicks(min: number, max: number, count: number): Ticks {
  const low = Math.floor(Math.log10(min));
  const high = Math.ceil(Math.log10(max));
  const decades = Math.max(1, high - low);
  const stride = Math.max(1, Math.ceil(decades / count));
  const digits = decades <= 3 ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [1];
  const named = decades <= 2 ? [1, 2, 5] : [1];
  const at: number[] = [];
  const labels: string[] = [];
  for (let power = low; power <= high; power++) {
    if (stride > 1 && power % stride !== 0) continue;
    for (const digit of digits) {
      const value = Number(`${digit}e${power}`);
      if (value < min * (1 - 1e-9) || value > max * (1 + 1e-9) || value === Infinity) continue;
      at.push(value);
      labels.push(named.includes(digit) ? logLabel(value, power) : '');
    }
  }
  if (labels.filter(Boolean).length < 2) return linearTicks(min, max, count);
  return { at, labels };
}

function logLabel(value: number, power: number): string {
  return power < -3 || power > 5 ? shortExponent(value, 0) : (labelTicks([value], value)[0] as string);
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TIME_STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14, 30, 90, 180, 365, 730, 1825].map((n) => n * DAY),
];

function timeStep(span: number, count: number): number {
  return TIME_STEPS.find((step) => span / step <= count) ?? niceStep(span / count / DAY) * DAY;
}

/** Ticks of elapsed milliseconds. */
export function relativeTicks(min: number, max: number, count: number): Ticks {
  if (!(max > min)) return { at: [], labels: [] };
  const step = timeStep(max - min, count);
  const at: number[] = [];
  for (let value = Math.ceil(min / step) * step; value <= max && at.length < 100; value += step)
    at.push(value);
  return { at, labels: at.map((value) => elapsed(value, step)) };
}

function elapsed(value: number, step: number): string {
  if (value === 0) return '0';
  const sign = value < 0 ? '−' : '';
  const size = Math.abs(value);
  if (step < SECOND) return `${sign}${(size / SECOND).toFixed(step < 10 ? 3 : step < 100 ? 2 : 1)}s`;
  if (step < MINUTE && size < MINUTE) return `${sign}${size / SECOND}s`;
  if (step < HOUR && size < HOUR) {
    const secs = (size % MINUTE) / SECOND;
    return `${sign}${Math.floor(size / MINUTE)}m${secs ? `${secs}s` : ''}`;
  }
  if (step < DAY && size < 2 * DAY) {
    const minutes = Math.floor((size % HOUR) / MINUTE);
    return `${sign}${Math.floor(size / HOUR)}h${minutes ? `${minutes}m` : ''}`;
  }
  const hours = Math.floor((size % DAY) / HOUR);
  return `${sign}${Math.floor(size / DAY)}d${hours ? `${hours}h` : ''}`;
}

/** As many digits of a second as a step of milliseconds needs. */
function fractionOf(step: number): Intl.DateTimeFormatOptions {
  if (step >= SECOND) return {};
  return { fractionalSecondDigits: step < 10 ? 3 : step < 100 ? 2 : 1 };
}

/** Ticks of epoch milliseconds, in the browser's zone and language; the first of each day names it. */
export function wallTicks(min: number, max: number, count: number): Ticks {
  if (!(max > min)) return { at: [], labels: [] };
  const step = timeStep(max - min, count);
  const offset = new Date(min).getTimezoneOffset() * MINUTE;
  const at: number[] = [];
  const first = Math.ceil((min - offset) / step) * step + offset;
  for (let value = first; value <= max && at.length < 100; value += step) at.push(value);
  const isThisYear = new Date(min).getFullYear() === new Date().getFullYear();
  const day = formatter({ month: 'short', day: 'numeric', ...(isThisYear ? {} : { year: 'numeric' }) });
  if (step >= DAY) return { at, labels: at.map(day) };
  const clock = formatter({
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(step < MINUTE ? { second: '2-digit', ...fractionOf(step) } : {}),
  });
  const labels = at.map((value, i) => {
    if (i > 0 && day(value) === day(at[i - 1] as number)) return clock(value);
    const isMidnight = new Date(value).setHours(0, 0, 0, 0) === value;
    return isMidnight ? day(value) : `${day(value)} ${clock(value)}`;
  });
  return { at, labels };
}

function formatter(style: Intl.DateTimeFormatOptions): (value: number) => string {
  const format = new Intl.DateTimeFormat(undefined, style);
  return (value) => format.format(value);
}

/** Ticks of an x axis, at most `count`, unless there would be too few. */
export function axisTicks(axis: XAxis, range: readonly [number, number], count: number): Ticks {
  if (axis === 'step') return linearTicks(...range, count, true);
  return axis === 'wall' ? wallTicks(...range, count) : relativeTicks(...range, count);
}
