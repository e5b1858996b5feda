import { expect, test } from 'vitest';
import { PanelData } from '../data/panelData';
import { rawFrame } from '../data/fixtures';
import { NAMED, namedLines } from './legend';

const lines = ['in use', 'limit'].map((name) => ({ name, title: name }));

function seriesOf(metrics: readonly string[], ranks: number) {
  const data = new PanelData(
    rawFrame(Array.from({ length: metrics.length * ranks }, () => ({ run: 'r', points: [[0, 1]] }))),
  );
  data.series.forEach(({ meta }, i) => {
    meta.metric = metrics[Math.floor(i / ranks)] as string;
    meta.label = ranks > 1 ? `rank${i % ranks}` : '';
  });
  return data.series;
}
const shown = (...asked: Parameters<typeof namedLines>) =>
  namedLines(...asked).map(({ series, isOfAll }) => [series.meta.metric, series.meta.label, isOfAll]);

test('a small chart names each of its own lines once, however many writers there are', () => {
  for (const ranks of [2, 4, 64])
    expect(shown(seriesOf(['limit', 'in use'], ranks), lines, false)).toEqual([
      ['in use', 'rank0', true],
      ['limit', 'rank0', true],
    ]);
  expect(shown(seriesOf(['in use', 'limit'], 1), lines, false)).toEqual([
    ['in use', '', false],
    ['limit', '', false],
  ]);
});

test('a small chart with one line, or with many, names none', () => {
  expect(namedLines(seriesOf(['in use'], 4), lines.slice(0, 1), false)).toEqual([]);
  expect(namedLines(seriesOf(['loss'], 4), undefined, false)).toEqual([]);
  const many = Array.from({ length: 5 }, (_, i) => ({ name: `${i}`, title: `${i}` }));
  expect(namedLines(seriesOf(['0', '1', '2', '3', '4'], 1), many, false)).toEqual([]);
});

test('the enlarged chart names every line, as many as there is room for', () => {
  expect(shown(seriesOf(['in use', 'limit'], 4), lines, true)).toHaveLength(8);
  expect(shown(seriesOf(['in use', 'limit'], 64), lines, true)).toHaveLength(NAMED);
});
