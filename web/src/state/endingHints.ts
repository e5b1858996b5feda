/** What may explain a run that did not end well: from its keys, its samples and its last lines. */
import { formatStep } from '../chart/format';
import { formatUnit } from '../chart/units';
import { displayKey } from '../data/keys';
import type { KeyInfo, LogLine, Run, SeriesMeta, WriterEnd } from '../data/types';
import { plainText } from './sgr';

/** Keys that are asked for NaN. */
const MOST_KEYS = 20;
/** A share of throttled periods that is felt. */
const MUCH_THROTTLED = 10;
/** Lines of the banner. */
export const TAIL_LINES = 12;
/** NVML's bits for: a hardware slowdown, too hot (by software, by hardware), the power brake. */
const SLOWDOWNS = 0x08 | 0x20 | 0x40 | 0x80;

/** Whether the end of a run asks for an explanation. */
export const endedBadly = ({ state }: Pick<Run, 'state'>): boolean =>
  ['failed', 'crashed', 'killed', 'preempted'].includes(state);

/** Whose end is told: of several writers that of the first that went wrong. */
export function endOf(run: Run): WriterEnd {
  const { state, exit_code, updated, first_bad, writers } = run;
  const end = endedBadly(run) && first_bad ? first_bad : { label: '', state, exit_code, updated };
  return { ...end, is_whole: writers.every((writer) => writer.is_whole) };
}

/** The keys in which a NaN tells most: losses and norms first. */
export function telling(keys: readonly KeyInfo[]): string[] {
  const weight = ({ name }: KeyInfo) => (/loss/i.test(name) ? 0 : /grad|norm/i.test(name) ? 1 : 2);
  return keys
    .filter(({ kinds, hidden, name }) => !hidden && !name.startsWith('_') && kinds.includes('number'))
    .map((key, i) => ({ key, i }))
    .sort((a, b) => weight(a.key) - weight(b.key) || a.i - b.i)
    .slice(0, MOST_KEYS)
    .map(({ key }) => key.name);
}

/** The first NaN of the keys that have one, as a sentence; null without any. */
export function nanHint(series: readonly SeriesMeta[]): string | null {
  const [first, ...others] = series
    .filter((meta): meta is SeriesMeta & { first_nan: number } => meta.first_nan !== null)
    .sort((a, b) => a.first_nan - b.first_nan);
  if (!first) return null;
  const names = new Set(others.map(({ metric }) => metric).filter((name) => name !== first.metric));
  const more = names.size === 0 ? '' : `, and ${names.size} other ${names.size === 1 ? 'key' : 'keys'} later`;
  const labels = new Set(series.map(({ label }) => label));
  const whose = labels.size > 1 && first.label ? ` of ${first.label}` : '';
  return `${displayKey(first.metric)}${whose} is NaN from step ${formatStep(first.first_nan)} on${more}.`;
}

/** What the samples of the system have to say. */
export function sampleHints(series: readonly SeriesMeta[]): string[] {
  const most = (name: string, of: (meta: SeriesMeta) => number) =>
    Math.max(...series.filter(({ metric }) => metric === name).map(of));
  // A control group counts since it is there: what was killed before the run is not the run's affair.
  const [kills, throttled] = [
    most('proc.memory.oomKills', ({ y }) => (y?.[1] ?? 0) - (y?.[0] ?? 0)),
    most('proc.cpu.throttledPercent', greatest),
  ];
  const slow = series.filter(
    (meta) => meta.metric.endsWith('.throttleReasons') && (greatest(meta) & SLOWDOWNS) !== 0,
  );
  const gpus = [...new Set(slow.map(({ metric }) => metric.split('.')[1]))];
  return [
    kills > 0 &&
      `Out of memory: the kernel killed ${kills === 1 ? 'a process' : `${kills} processes`} of its control group.`,
    throttled >= MUCH_THROTTLED &&
      `The processor was throttled by the control group in up to ${formatUnit(throttled, '%')} of the time.`,
    gpus.length > 0 && `The GPU ${gpus.join(', ')} was slowed down: too hot, or short of power.`,
  ].filter((hint) => typeof hint === 'string');
}

const greatest = ({ y }: SeriesMeta): number => y?.[1] ?? -Infinity;

/** What the exit code and the last lines say of memory; null for nothing. */
export function memoryHint(
  run: Pick<Run, 'exit_code'>,
  lines: readonly LogLine[],
  isKnown: boolean,
): string | null {
  const said = lines
    .map((line) => plainText(line[4]))
    .findLast((text) => /out of memory|MemoryError/i.test(text));
  if (said) return `Out of memory, as it said itself: ${said.trim().slice(0, 200)}`;
  if (isKnown || (run.exit_code !== -9 && run.exit_code !== 137)) return null;
  return 'Nothing but a kill by force ends with this code: often the kernel’s, for want of memory.';
}

/** What is printed where a process breaks down: by faulthandler, glibc, C++, `assert` of C, a shell. */
const BREAKDOWN = new RegExp(
  [
    '^Fatal Python error: ',
    '^\\*\\*\\* .+ \\*\\*\\*: terminated',
    '^terminate called ',
    '^libc\\+\\+abi: terminating',
    '^double free or corruption',
    '^corrupted (size|double-linked)',
    '^(free|malloc|realloc|munmap_chunk)[a-z_ ]*\\(\\): ',
    ": Assertion `.*' failed\\.$",
    '(^|: )(Segmentation fault|Aborted|Bus error|Illegal instruction|Floating point exception)( \\(core dumped\\))?$',
  ].join('|'),
);
/** What stands below that: the message of C++, and faulthandler's list of threads. */
const BELOW =
  /^\s*$|^\s+what\(\):|^Python runtime state: |^(Current thread|Thread) 0x|^\s+(File "|\.\.\.|<|Garbage-collecting)|^Extension modules: /;
/** Other lines below it, as of other processes; after more of them the program went on. */
const MOST_OTHERS = 3;
/** Lines between two words of one breakdown, as C++'s and then faulthandler's. */
const APART = 3;

/** The line with which the output ends for that the process broke down; null where it did not. */
export function breakdown(lines: readonly LogLine[]): LogLine | null {
  const texts = lines.map((line) => plainText(line[4]));
  let at = texts.findLastIndex((text) => BREAKDOWN.test(text));
  if (at < 0 || texts.slice(at + 1).filter((text) => !BELOW.test(text)).length > MOST_OTHERS) return null;
  const before = () => texts.findIndex((text, i) => i < at && i >= at - APART && BREAKDOWN.test(text));
  for (let first = before(); first >= 0; first = before()) at = first;
  return lines[at] ?? null;
}

/** The lines that the banner shows: from a breakdown on, else the last ones. */
export function shownLines(lines: readonly LogLine[]): readonly LogLine[] {
  const first = breakdown(lines);
  return first ? lines.slice(lines.indexOf(first)) : lines.slice(-TAIL_LINES);
}

/** The line at which the last error begins; else the last line. */
export function errorLine(lines: readonly LogLine[]): number | null {
  const broken = breakdown(lines);
  if (broken) return broken[0];
  const texts = lines.map((line) => plainText(line[4]));
  const at = [
    /^\s*(?:\+ Exception Group )?Traceback \(most recent call last\)/,
    /\b(error|fatal|panicked|segmentation fault)\b/i,
  ]
    .map((pattern) => texts.findLastIndex((text) => pattern.test(text)))
    .find((index) => index >= 0);
  return (at === undefined ? lines.at(-1) : lines[at])?.[0] ?? null;
}
