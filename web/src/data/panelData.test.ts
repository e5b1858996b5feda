import { expect, test } from 'vitest';
import { bucketFrame, random, rawFrame, type Logged } from './fixtures';
import { PanelData } from './panelData';

const walk = (run: string, count: number, seed: number): Logged => {
  const next = random(seed);
  return { run, points: Array.from({ length: count }, (_, x) => [x, next() < 0.05 ? NaN : next() * 10]) };
};
const cut = (logged: Logged, count: number): Logged => ({ ...logged, points: logged.points.slice(0, count) });
const tracks = (data: PanelData) => data.series.map(({ meta, track }) => ({ ...meta, track }));

test('buckets after random patches equal a fresh query', () => {
  const next = random(7);
  const runs = [walk('a', 900, 1), walk('b', 700, 2), walk('c', 300, 3)];
  for (let round = 0; round < 20; round++) {
    let shown = runs.map((run) => cut(run, Math.floor(next() * 200)));
    const data = new PanelData(bucketFrame(shown, 8));
    for (let frame = 0; frame < 12; frame++) {
      const grown = runs.map((run, i) => cut(run, (shown[i]?.points.length ?? 0) + Math.floor(next() * 60)));
      // An old value changes too: any bucket may be sent again.
      const late = Math.floor(next() * 50);
      for (const run of runs) if (run.points[late]) run.points[late] = [late, next()];
      const from = new Map(shown.map((run) => [run.run, Math.floor((run.points.length - 1) / 8)]));
      const changed = (run: string, b: number) => b >= (from.get(run) ?? 0) || b === Math.floor(late / 8);
      expect(
        data.apply(
          bucketFrame(
            grown.map((run, i) => cut(runs[i] as Logged, run.points.length)),
            8,
            changed,
          ),
        ),
      ).toBe(true);
      shown = grown.map((run, i) => cut(runs[i] as Logged, run.points.length));
    }
    expect(tracks(data)).toEqual(tracks(new PanelData(bucketFrame(shown, 8))));
  }
});

test('logged values after a patch equal a fresh query', () => {
  const run = walk('a', 50, 4);
  const data = new PanelData(rawFrame([cut(run, 30)]));
  const patch = rawFrame([run]);
  const tail = run.points.slice(29);
  patch.raw = { s: tail.map(() => 0), x: tail.map(([x]) => x), y: tail.map(([, y]) => y) };
  expect(data.apply(patch)).toBe(true);
  expect(tracks(data)).toEqual(tracks(new PanelData(rawFrame([run]))));
});

test('a frame of one series finds it by run, not by number', () => {
  const [a, b] = [walk('a', 20, 5), walk('b', 20, 6)];
  const data = new PanelData(bucketFrame([cut(a, 10), cut(b, 10)], 4));
  data.apply(bucketFrame([b], 4));
  expect(data.series[1]?.track).toEqual(new PanelData(bucketFrame([a, b], 4)).series[1]?.track);
  expect(data.series[0]?.meta.last_x).toBe(9);
});

test('a new series joins', () => {
  const data = new PanelData(bucketFrame([walk('a', 10, 1)], 4));
  data.apply(bucketFrame([walk('z', 10, 2)], 4));
  expect(data.series.map((series) => series.meta.run)).toEqual(['a', 'z']);
});

test('another grid needs a reset', () => {
  const logged = [walk('a', 40, 1)];
  const data = new PanelData(bucketFrame(logged, 4));
  const coarser = bucketFrame(logged, 8);
  expect(data.apply(coarser)).toBe(false);
  expect(data.version).toBe(1);
  coarser.header.reset = true;
  expect(data.apply(coarser)).toBe(true);
  expect(data.header.dx).toBe(8);
});
