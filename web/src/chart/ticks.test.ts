import { expect, test } from 'vitest';
import { fittingTicks, linearTicks, logTicks, niceStep, relativeTicks, wallTicks } from './ticks';

test('steps are 1, 2 or 5 times a power of ten', () => {
  expect([0.03, 0.9, 1, 3, 7, 1900].map(niceStep)).toEqual([0.05, 1, 1, 5, 10, 2000]);
});

test('labels have the decimals of the step', () => {
  expect(linearTicks(0, 9600, 6).labels).toEqual(['0', '2k', '4k', '6k', '8k']);
  expect(linearTicks(1, 4.2, 5).labels).toEqual(['1', '2', '3', '4']);
  expect(linearTicks(0.1, 0.35, 5)).toEqual({
    at: [0.1, 0.15, 0.2, 0.25, 0.3, 0.35],
    labels: ['0.10', '0.15', '0.20', '0.25', '0.30', '0.35'],
  });
  expect(linearTicks(12000, 12600, 4).labels).toEqual(['12.0k', '12.2k', '12.4k', '12.6k']);
  expect(linearTicks(-2, 2, 4).labels).toEqual(['−2', '−1', '0', '1', '2']);
});

test('never more ticks than asked for, by one', () => {
  for (let i = 1; i < 200; i++) expect(linearTicks(0, i * 0.37, 6).at.length).toBeLessThanOrEqual(7);
});

test('extreme spans have ticks', () => {
  expect(linearTicks(0, 1e300, 5).labels).toContain('2e299');
  expect(linearTicks(1e-300, 5e-300, 5).at.length).toBeGreaterThan(2);
  expect(linearTicks(3, 3, 5).at).toEqual([]);
});

test('labels that would be too long say how much more than the first', () => {
  expect(linearTicks(2 ** 63 - 20480, 2 ** 63, 5).labels.slice(0, 2)).toEqual(['9.22…e18', '+5k']);
  expect(linearTicks(1700000000, 1700000002, 5).labels.slice(0, 3)).toEqual(['1700000000', '+0.5', '+1.0']);
  expect(linearTicks(1, 1 + 1e-15, 3).labels.slice(0, 2)).toEqual(['1', '+5e-16']);
  expect(linearTicks(-1e300, 1e300, 4).labels).toEqual(['−1e300', '−5e299', '0', '5e299', '1e300']);
});

test('no label is below its unit, and none is longer than it need be', () => {
  expect(linearTicks(850, 1000, 4).labels).toEqual(['850', '900', '950', '1000']);
  expect(linearTicks(0, 1e6, 5).labels).toEqual(['0', '200k', '400k', '600k', '800k', '1M']);
  expect(linearTicks(-2000, 2000, 8).labels).toContain('−500');
  expect(linearTicks(1e6, 1.2e6, 5).labels.slice(0, 2)).toEqual(['1.00M', '1.05M']);
  expect(linearTicks(543_216, 543_220, 4).labels.at(-1)).toBe('543220');
});

test('times of day say of which day they are', () => {
  const year = new Date().getFullYear();
  const from = new Date(year, 0, 5, 22, 30).getTime();
  const { labels } = wallTicks(from, from + 3 * 3_600_000, 4);
  expect(labels[0]).toMatch(/5.*22[:.]30|5.*23[:.]00/);
  expect(labels.filter((label) => /\d[:.]\d\d$/.test(label))).toHaveLength(labels.length - 1);
  expect(labels.find((label) => !/[:.]/.test(label))).toContain('6');
  expect(labels.join()).not.toContain(String(year));
  const past = new Date(2020, 0, 5, 22, 30).getTime();
  expect(wallTicks(past, past + 5000, 5).labels[0]).toMatch(/2020.*22[:.]30[:.]00/);
  expect(wallTicks(past, past + 9 * 86_400_000, 5).labels[0]).toContain('2020');
});

test('labels of x keep apart, by fewer ticks if need be', () => {
  const from = Date.UTC(2026, 0, 5, 10, 3);
  for (const span of [5, 40, 300, 950, 5000, 90_000])
    for (const width of [120, 180, 290, 800]) {
      const place = (value: number) => ((value - from) / span) * width;
      const make = (count: number) => wallTicks(from, from + span, count);
      const { at, labels } = fittingTicks(make, 6, place, (label) => label.length * 6.4);
      expect(at.length).toBeGreaterThan(0);
      labels.slice(1).forEach((label, i) => {
        const room = place(at[i + 1] as number) - place(at[i] as number);
        expect(room).toBeGreaterThan(((label.length + (labels[i] as string).length) / 2) * 6.4);
      });
    }
  const fraction = (span: number) => wallTicks(from, from + span, 5).labels[1]?.split(/[.,]/)[1];
  expect([5, 300, 950, 5000].map(fraction)).toEqual(['001', '1', '2', undefined]);
});

test('whole steps only on the step axis', () => {
  expect(linearTicks(0, 2, 6, true).at).toEqual([0, 1, 2]);
});

test('log axes name 1, 2 and 5 over one decade', () => {
  const ticks = logTicks(1, 10, 5);
  expect(ticks.at).toHaveLength(10);
  expect(ticks.labels.filter(Boolean)).toEqual(['1', '2', '5', '10']);
  expect(logTicks(1e-6, 1e3, 5).labels).toContain('1e-6');
});

test('a narrow log axis falls back on linear ticks', () => {
  expect(logTicks(2.1, 2.4, 5).at.length).toBeGreaterThan(2);
});

test('elapsed time is in its own units', () => {
  expect(relativeTicks(0, 4 * 3600e3, 5).labels).toEqual(['0', '1h', '2h', '3h', '4h']);
  expect(relativeTicks(0, 90e3, 5).labels).toEqual(['0', '30s', '1m', '1m30s']);
});

test('wall time ticks lie inside the range', () => {
  const from = Date.UTC(2026, 0, 5, 10, 3);
  const ticks = wallTicks(from, from + 3600e3, 6);
  expect(ticks.at.length).toBeGreaterThan(3);
  expect(ticks.at.every((at) => at >= from && at <= from + 3600e3)).toBe(true);
});
