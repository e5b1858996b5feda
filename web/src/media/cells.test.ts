import { expect, test } from 'vitest';
import { countOf, gridOf, itemAt, MOST_PICTURES, shelvesOf, windowOf } from './cells';

const series = (run: string, steps: number[], counts: number[]) => ({
  ...{ run, label: '', key: 'k', kind: 'image-file', steps, counts },
});

test('all runs are one list, each with what it has at the step or before it', () => {
  const shelves = shelvesOf([series('a', [0, 5], [2, 3]), series('b', [], []), series('c', [9], [1])], 6);
  expect(countOf(shelves)).toBe(4);
  expect([0, 2, 3, 4].map((place) => itemAt(shelves, place))).toEqual([
    { key: 'k', run: 'a', label: '', step: 5, index: 0 },
    { key: 'k', run: 'a', label: '', step: 5, index: 2 },
    { key: 'k', run: 'c', label: '', step: 9, index: 0 },
    null,
  ]);
});

test('wherever one scrolls, what is seen is drawn and never more than the bound', () => {
  const count = 10_000;
  for (const width of [120, 300, 700, 1400, 4000]) {
    const grid = gridOf(count, width, { width: 96, height: 114 }, 8);
    const end = grid.rows * grid.pitch.y;
    for (const top of [0, 1, 113, 500, end / 2, end - 420, end]) {
      const [from, to] = windowOf(grid, count, { top, height: 420 });
      expect(to - from).toBeLessThanOrEqual(MOST_PICTURES);
      expect(to).toBeGreaterThan(from);
      const first = Math.min(grid.rows - 1, Math.floor(top / grid.pitch.y));
      expect(from).toBeLessThanOrEqual(first * grid.columns);
      expect(to).toBeLessThanOrEqual(count);
    }
  }
});

test('a few are all drawn', () => {
  const grid = gridOf(3, 400, { width: 96, height: 114 }, 8);
  expect(windowOf(grid, 3, { top: 0, height: 114 })).toEqual([0, 3]);
  expect(windowOf(gridOf(0, 400, { width: 96, height: 114 }, 8), 0, { top: 0, height: 0 })).toEqual([0, 0]);
});
