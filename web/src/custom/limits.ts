/** How many values Vega makes at once for a specification: what makes more would stop the page. */
import { bin, expressionFunction, transforms } from 'vega';
import type { Spec } from '../data/chartData';
import { below, visit } from './checks';

declare module 'vega' {
  /** Vega has it, and its types do not: the bins that the transform of this name makes. */
  export function bin(given: object): { start: number; stop: number; step: number };
}

/** As many as a chart has rows. */
export const MOST_VALUES = 100_000;
/** Of all calls of `sequence` and the like in one round of a chart: ten for each of 100,000 rows. */
const MOST_IN_ALL = 1_000_000;

export class TooManyError extends Error {
  constructor(
    readonly maker: string,
    count: number,
    most = MOST_VALUES,
  ) {
    super(`${maker} makes ${written(count)} values: at most ${written(most)} are made`);
  }
}
const written = (count: number) =>
  Number.isFinite(count) ? Math.ceil(count).toLocaleString('en-US') : 'endlessly many';

function bound(maker: string, count: number): void {
  if (count > MOST_VALUES) throw new TooManyError(maker, count);
}

/** How many numbers there are from `start` on before `stop`. */
export function countOf(start: number, stop: number, step: number): number {
  const count = Math.ceil((stop - start) / step);
  return count > 0 ? count : 0;
}

interface Called {
  context?: { dataflow?: { _clock?: number } };
}
/** What has been made in which round of a chart. */
const rounds = new WeakMap<object, { clock: number | undefined; made: number }>();

function add(called: Called, maker: string, count: number): void {
  bound(maker, count);
  const chart = called.context?.dataflow;
  if (!chart) return;
  const before = rounds.get(chart);
  const made = (before?.clock === chart._clock ? (before?.made ?? 0) : 0) + count;
  rounds.set(chart, { clock: chart._clock, made });
  if (made > MOST_IN_ALL) throw new TooManyError(maker, made, MOST_IN_ALL);
}

type Maker = (this: Called, ...args: never[]) => unknown;

/** Counts what a function of expressions makes before it does. */
function boundFunction(name: string, count: (...args: unknown[]) => number): void {
  const make = expressionFunction(name) as Maker | undefined;
  if (!make) throw new Error(`Vega has no function ${name}`);
  expressionFunction(name, function (this: Called, ...args: unknown[]) {
    add(this, name, count(...args));
    return make.apply(this, args as never[]);
  });
}

interface Made {
  prototype: { transform: (this: unknown, given: Given, pulse: unknown) => unknown };
}
type Given = Readonly<Record<string, unknown>>;

function boundTransform(name: string, count: (given: Given) => number): void {
  const made = transforms[name] as unknown as Made | undefined;
  if (!made) throw new Error(`Vega has no transform ${name}`);
  const { transform } = made.prototype;
  made.prototype.transform = function (given, pulse) {
    bound(name, count(given));
    return transform.call(this, given, pulse);
  };
}

const numbers = (...args: unknown[]): number => {
  const [start, stop, step] = args.length < 2 ? [0, args[0], 1] : [args[0], args[1], args[2] ?? 1];
  return countOf(Number(start), Number(stop), Number(step));
};
const DEGREES = [360, 180] as const;
/** Lines of a grid over the earth, each of which has at most this many points. */
const gridOf = ({ step, stepMinor, stepMajor, precision }: Given): number =>
  [step, stepMinor, stepMajor]
    .filter(Array.isArray)
    .reduce(
      (sum, steps: unknown[]) =>
        sum + DEGREES.reduce((all, of, i) => all + of / Math.abs(Number(steps[i])), 0),
      1,
    ) * (precision === undefined ? 1 : 360 / Number(precision));

let isBound = false;
/** Bounds the functions and transforms of Vega, once. */
export function boundVega(): void {
  if (isBound) return;
  isBound = true;
  boundFunction('sequence', numbers);
  boundFunction('pad', (_, length) => Number(length));
  boundTransform('sequence', ({ start, stop, step }) => numbers(start, stop, step || 1));
  boundTransform('graticule', gridOf);
  boundTransform('bin', (given) => {
    const { start, stop, step } = bin(given);
    return (stop - start) / step;
  });
  boundTransform('quantile', ({ probs, step }) => (probs ? 0 : 1 / Number(step ?? 0.01)));
  for (const name of ['density', 'kde'])
    boundTransform(name, ({ steps, minsteps, maxsteps }) =>
      Math.max(Number(steps ?? 0), Number(minsteps ?? 0), Number(maxsteps ?? 0)),
    );
  for (const name of ['axisticks', 'legendentries'])
    boundTransform(name, ({ count }) => (typeof count === 'number' ? count : 0));
}

/** What Vega calls some makers of values, and specifications otherwise. */
const MAKERS: Readonly<Record<string, RegExp>> = {
  sequence: /^(sequence|keyvals)$/,
  kde: /^(density|kde)$/,
  axisticks: /^tickCount$/,
  legendentries: /^tickCount$/,
};

/** Where in a specification values are made by something of this name (a JSON pointer), if it is said there. */
export function firstMaker(spec: Spec, maker: string): string | null {
  const call = new RegExp(`\\b${maker}\\s*\\(`);
  const called = MAKERS[maker] ?? new RegExp(`^${maker}$`);
  let found: string | null = null;
  visit(spec, (value, path) => {
    for (const [name, one] of Object.entries(value)) {
      const is =
        typeof one === 'string' ? call.test(one) || (name === 'type' && called.test(one)) : called.test(name);
      if (is) found ??= below(path, name);
    }
  });
  return found;
}
