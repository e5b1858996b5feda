/** Numbers with the unit that they were sampled in: on axes, and as text. */
import { formatValue } from './format';
import { linearTicks, type Ticks } from './ticks';

/** Sizes in the base unit, each with its sign; the first is that of numbers below the second. */
type Ladder = readonly (readonly [size: number, sign: string])[];

const binary = (end: string): Ladder =>
  ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'].map((prefix, i) => [1024 ** i, ` ${prefix}B${end}`] as const);
const decimal = (sign: string, ...prefixes: string[]): Ladder =>
  prefixes.map((prefix, i) => [1000 ** i, ` ${prefix}${sign}`] as const);

const BYTES = binary('');
const BYTES_PER_SECOND = binary('/s');
/** Each unit of a sample: how many of the base unit one of it is, and the signs of that. */
const UNITS: Readonly<Record<string, readonly [scale: number, ladder: Ladder]>> = {
  B: [1, BYTES],
  MB: [2 ** 20, BYTES],
  GB: [2 ** 30, BYTES],
  'B/s': [1, BYTES_PER_SECOND],
  'MB/s': [2 ** 20, BYTES_PER_SECOND],
  W: [1, decimal('W', '', 'k', 'M')],
  J: [1, decimal('J', '', 'k', 'M', 'G')],
  MHz: [1, decimal('Hz', 'M', 'G')],
  '%': [1, [[1, '%']]],
  '°C': [1, [[1, ' °C']]],
};

interface Scale {
  /** One of what is shown, in the unit of the samples. */
  size: number;
  sign: string;
}

/** What numbers up to `greatest` are shown in. */
function scaleFor(greatest: number, unit: string): Scale {
  const [scale, ladder] = UNITS[unit] ?? [1, [[1, unit && ` ${unit}`]] as Ladder];
  const base = Math.abs(greatest) * scale;
  const rung = ladder.findLast(([size]) => base >= size) ?? ladder[0];
  const [size, sign] = rung ?? [1, ''];
  return { size: size / scale, sign };
}

/** `61 °C`, `3.2 GiB`, `55%`, with that many digits at most; NaN and infinities have their own signs. */
export function formatUnit(value: number, unit: string, most = 4): string {
  if (!Number.isFinite(value)) return formatValue(value);
  const { size, sign } = scaleFor(value, unit);
  const scaled = value / size;
  const whole = Math.max(1, Math.round(Math.abs(scaled)).toString().length);
  // Of a share or a temperature more than a decimal is noise.
  const digits = unit === '%' || unit === '°C' ? whole + 1 : Math.max(whole, most);
  const text = formatValue(Number(scaled.toPrecision(digits)), digits);
  return (/^[^e]*\.[^e]*$/.test(text) ? text.replace(/\.?0+$/, '') : text) + sign;
}

/** Ticks of a linear axis that say their unit; all of them the same. */
export function unitTicks(min: number, max: number, count: number, unit: string): Ticks {
  if (!unit) return linearTicks(min, max, count);
  const { size, sign } = scaleFor(Math.max(Math.abs(min), Math.abs(max)), unit);
  const ticks = linearTicks(min / size, max / size, count);
  return {
    at: ticks.at.map((value) => value * size),
    labels: ticks.labels.map((label) => label + sign),
  };
}
