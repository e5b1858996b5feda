import { expect, test } from 'vitest';
import { bucketFrame, rawFrame } from '../data/fixtures';
import { PanelData, type Series } from '../data/panelData';
import {
  chartChips,
  chartSummary,
  emptyRunText,
  emptyWorkspaceText,
  endingText,
  lineName,
  sampleSummary,
} from './describe';

const data = new PanelData(
  rawFrame([
    {
      run: 'a',
      points: [
        [0, 3],
        [1, NaN],
        [1200, 2],
      ],
    },
    {
      run: 'b',
      points: [
        [0, 3],
        [1, 1],
      ],
    },
  ]),
);

test('sums a chart up in a sentence', () => {
  expect(chartSummary('loss', data, new Map([['b', 'brisk']]))).toBe(
    'loss, 2 runs, up to step 1,200; lowest last value brisk 1',
  );
  const [first] = data.series;
  if (first) first.meta.seams = [7, 2];
  expect(chartSummary('loss', data, new Map())).toContain(', going on at step 2, 7;');
  expect(chartSummary('loss', new PanelData(bucketFrame([], 4)), new Map())).toBe('loss, no values');
});

test('chips tell of NaN, of hidden values and of nothing finite', () => {
  expect(chartChips(data, false)).toEqual([{ text: 'first NaN at 1', x: 1 }]);
  const zero = new PanelData(rawFrame([{ run: 'a', points: [[0, 0]] }]));
  expect(chartChips(zero, true)).toEqual([{ text: 'log hides values ≤ 0', x: null }]);
  const none = new PanelData(rawFrame([{ run: 'a', points: [[4, NaN]] }]));
  expect(chartChips(none, false).map((chip) => chip.text)).toEqual(['no finite values', 'first NaN at 4']);
});

test('a run that has ended without values waits for nothing', () => {
  expect(emptyRunText({ state: 'running', key_count: 0 }).detail).toMatch(/^Waiting/);
  expect(emptyRunText(null).detail).toMatch(/^Waiting/);
  expect(emptyRunText({ state: 'preempting', key_count: 0 }).detail).toMatch(/^Waiting/);
  expect(emptyRunText({ state: 'preempted', key_count: 0 }).detail).toMatch(/was preempted without/);
  for (const state of ['finished', 'failed', 'crashed', 'killed', 'preempted'] as const)
    expect(emptyRunText({ state, key_count: 0 }).title).toBe('The run logged nothing');
  expect(emptyRunText({ state: 'killed', key_count: 2 }).detail).toBe(
    'The run was killed without logging a number.',
  );
});

test('a workspace waits only while one of its runs may log', () => {
  expect(emptyWorkspaceText(['finished', 'running']).detail).toMatch(/^Waiting/);
  expect(emptyWorkspaceText(null).detail).toMatch(/^Waiting/);
  expect(emptyWorkspaceText(['finished', 'failed']).title).toBe('Nothing to draw');
});

test('the end of a run is explained when it is not as it should be', () => {
  const run = { updated: 0, exit_code: 0 };
  expect(endingText({ ...run, state: 'finished' })).toBe(null);
  expect(endingText({ ...run, state: 'running', exit_code: null })).toBe(null);
  expect(endingText({ ...run, state: 'failed', exit_code: 1 })).toMatch(/exit code 1, as after an exception/);
  expect(endingText({ ...run, state: 'failed', exit_code: 137 })).toMatch(/137 \(SIGKILL/);
  expect(endingText({ ...run, state: 'failed', exit_code: 7 })).toBe('The program ended with exit code 7.');
  expect(endingText({ ...run, state: 'killed', exit_code: 143 })).toMatch(/SIGTERM\)\.$/);
  expect(endingText({ ...run, state: 'crashed', exit_code: null })).toMatch(
    /No sign of an end.*steplog sync/,
  );
  const whole = endingText({ ...run, state: 'crashed', exit_code: null, is_whole: true });
  expect(whole).toMatch(/All of it is here\.$/);
  expect(whole).not.toMatch(/sync/);
  expect(endingText({ ...run, state: 'crashed', exit_code: null }, true)).toMatch(/^The process broke down/);
});

test('lines of samples are called by what they are, and by their writer', () => {
  const lines = [{ name: 'loss', title: 'power' }];
  const [first] = data.series;
  expect(lineName({ ...(first as Series).meta, label: 'rank1' }, new Map(), lines)).toBe('power · rank1');
  expect(sampleSummary('Power', data, lines, 'W')).toBe('Power, last power 2 W, power 1 W');
});
