import { expect, test } from 'vitest';
import type { KeyInfo, LogLine, Run, SeriesMeta } from '../data/types';
import { endingText } from '../panels/describe';
import {
  breakdown,
  endedBadly,
  endOf,
  errorLine,
  memoryHint,
  nanHint,
  sampleHints,
  shownLines,
  telling,
} from './endingHints';

const meta = (metric: string, part: Partial<SeriesMeta>): SeriesMeta => ({
  i: 0,
  run: 'r',
  metric,
  label: '',
  n: 1,
  nan: 0,
  first_nan: null,
  last_x: null,
  y: null,
  ...part,
});
const key = (name: string, kinds = ['number']): KeyInfo => ({
  name,
  kinds,
  n: 1,
  last_step: 0,
  hidden: false,
});
const output = (...texts: string[]): LogLine[] => texts.map((text, i) => [100 + i, 0, 'e', '', text, 0]);

test('says which signal ended the program', () => {
  const ended = (exit_code: number) => endingText({ state: 'failed', exit_code, updated: 0 });
  expect(ended(-11)).toContain('SIGSEGV');
  expect(ended(137)).toContain('SIGKILL');
  expect(ended(3)).toBe('The program ended with exit code 3.');
});

test('all of a run is there when all of every log is', () => {
  const writer = { writer: 'w', label: '', generation: 0, acknowledged: 1 };
  const run = { state: 'crashed', exit_code: null, updated: 0, first_bad: null } as unknown as Run;
  const endWith = (...whole: boolean[]) =>
    endOf({ ...run, writers: whole.map((is_whole) => ({ ...writer, is_whole })) });
  expect(endingText(endWith(true, true))).toMatch(/All of it is here/);
  expect(endingText(endWith(true, false))).toMatch(/steplog sync/);
});

test('only an end that was not good is explained', () => {
  expect(endedBadly({ state: 'preempted' })).toBe(true);
  expect(endedBadly({ state: 'finished' })).toBe(false);
  expect(endedBadly({ state: 'running' })).toBe(false);
});

test('asks losses before norms before others, and at most 20', () => {
  const many = Array.from({ length: 30 }, (_, i) => key(`k${i}`));
  const asked = telling([
    key('text', ['string']),
    key('_step'),
    ...many,
    key('grad.norm'),
    key('train/loss'),
  ]);
  expect(asked.slice(0, 3)).toEqual(['train/loss', 'grad.norm', 'k0']);
  expect(asked).toHaveLength(20);
});

test('names the key that was NaN first', () => {
  expect(nanHint([meta('a', {}), meta('b', { first_nan: 1200 })])).toBe('b is NaN from step 1,200 on.');
  expect(
    nanHint([meta('a', { first_nan: 9 }), meta('b', { first_nan: 7 }), meta('b', { first_nan: 8 })]),
  ).toBe('b is NaN from step 7 on, and 1 other key later.');
  expect(nanHint([])).toBeNull();
});

test('reads the samples', () => {
  expect(
    sampleHints([
      meta('proc.memory.oomKills', { y: [0, 1] }),
      meta('proc.cpu.throttledPercent', { y: [0, 62.5] }),
      meta('gpu.0.throttleReasons', { y: [0, 0x40] }),
      meta('gpu.1.throttleReasons', { y: [0, 1] }),
    ]),
  ).toEqual([
    'Out of memory: the kernel killed a process of its control group.',
    'The processor was throttled by the control group in up to 62.5% of the time.',
    'The GPU 0 was slowed down: too hot, or short of power.',
  ]);
  expect(sampleHints([meta('proc.memory.oomKills', { y: [0, 0] })])).toEqual([]);
  // What was killed before the run.
  expect(sampleHints([meta('proc.memory.oomKills', { y: [2, 2] })])).toEqual([]);
});

test('memory: what the program said, else the code, unless it is known', () => {
  expect(
    memoryHint(
      { exit_code: 1 },
      output('raise E("out of memory")', '\x1b[31mCUDA out of memory\x1b[0m'),
      true,
    ),
  ).toBe('Out of memory, as it said itself: CUDA out of memory');
  expect(memoryHint({ exit_code: -9 }, [], false)).toContain('for want of memory');
  expect(memoryHint({ exit_code: -9 }, [], true)).toBeNull();
  expect(memoryHint({ exit_code: 1 }, output('fine'), false)).toBeNull();
});

test('the error begins with its traceback', () => {
  expect(errorLine(output('a', 'Traceback (most recent call last):', '  File', 'ValueError: x'))).toBe(101);
  expect(errorLine(output('a', 'fatal: no', 'b'))).toBe(101);
  expect(errorLine(output('a', 'b'))).toBe(101);
  expect(errorLine([])).toBeNull();
});

const DUMP = [
  'Fatal Python error: Segmentation fault',
  '',
  'Current thread 0x00007f (most recent call first):',
  ...Array.from({ length: 20 }, (_, i) => `  File "/a.py", line ${i} in f`),
  '',
  'Extension modules: numpy (total: 1)',
];

test('a breakdown is told by its own words, and is what the lines begin with', () => {
  const lines = output('Traceback (most recent call last):', 'ValueError: x', 'went on', ...DUMP);
  expect(breakdown(lines)?.[0]).toBe(103);
  expect(errorLine(lines)).toBe(103);
  expect(shownLines(lines).map((line) => line[4])).toEqual(DUMP);
  for (const word of [
    '*** stack smashing detected ***: terminated',
    'double free or corruption (out)',
    'free(): invalid pointer',
    "a.out: a.c:1: main: Assertion `0' failed.",
    'Aborted (core dumped)',
    '\x1b[31mSegmentation fault\x1b[0m',
  ])
    expect(breakdown(output('a', word))?.[0]).toBe(101);
});

test('a breakdown begins with the first of its words', () => {
  const lines = output('a', "terminate called after throwing an instance of 'E'", '  what():  boom', ...DUMP);
  expect(breakdown(lines)?.[0]).toBe(101);
});

test('a program that went on did not break down', () => {
  expect(breakdown(output(...DUMP, 'b', 'c', 'd', 'e'))).toBeNull();
  expect(breakdown(output('Traceback (most recent call last):', 'E: Aborted by the user'))).toBeNull();
  expect(shownLines(output(...Array.from({ length: 40 }, String)))).toHaveLength(12);
});
