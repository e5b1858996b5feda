import { expect, test } from 'vitest';
import { contentHeight, MOST_PIXELS, rowWindow, scrolledTo } from './rowWindow';

test('the rows at a place are drawn where they belong', () => {
  expect(rowWindow(1000, 32, 320, 0, 0)).toEqual({ from: 0, to: 10, top: 0 });
  expect(rowWindow(1000, 32, 320, 48, 0)).toEqual({ from: 1, to: 12, top: 32 });
  expect(rowWindow(3, 32, 320, 0)).toEqual({ from: 0, to: 3, top: 0 });
  expect(rowWindow(0, 32, 320, 0)).toEqual({ from: 0, to: 0, top: 0 });
});

test('a million rows have both of their ends', () => {
  const [total, row, height] = [1e6, 32, 600];
  expect(contentHeight(total, row)).toBe(MOST_PIXELS);
  expect(rowWindow(total, row, height, 0, 0).from).toBe(0);
  const end = rowWindow(total, row, height, MOST_PIXELS - height, 0);
  expect(end.to).toBe(total);
  expect(end.top + (end.to - end.from) * row).toBeCloseTo(MOST_PIXELS, 3);
  const middle = rowWindow(total, row, height, MOST_PIXELS / 2, 0);
  expect(Math.abs(middle.from - total / 2)).toBeLessThan(20);
});

test.each([100, 1e6])('every row of %i can be brought into sight', (total) => {
  let scrolled = 0;
  for (const place of [0, 7, 50, 99, total - 1, total / 2, 3]) {
    scrolled = scrolledTo(total, 32, 320, scrolled, place);
    const { from, to } = rowWindow(total, 32, 320, scrolled, 0);
    expect(from).toBeLessThanOrEqual(place);
    expect(to).toBeGreaterThan(place);
  }
});
