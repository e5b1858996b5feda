import { expect, test } from 'vitest';
import { LINE_HEIGHT, Lines, MOST_HEIGHT } from './lineScroll';

test('the tail has the last line at the bottom', () => {
  const lines = new Lines(1000, 100);
  expect(lines.tail).toEqual({ place: 994, offset: 8 });
  expect(lines.shown(lines.tail)).toEqual({ from: 994, to: 1000 });
  expect(new Lines(3, 100).tail).toEqual({ place: 0, offset: 0 });
  expect(new Lines(0, 100).tail).toEqual({ place: 0, offset: 0 });
});

test('moving goes pixel by pixel and stops at the ends', () => {
  const lines = new Lines(1000, 100);
  expect(lines.moved({ place: 10, offset: 5 }, 20)).toEqual({ place: 11, offset: 7 });
  expect(lines.moved({ place: 10, offset: 5 }, -10)).toEqual({ place: 9, offset: 13 });
  expect(lines.moved({ place: 1, offset: 0 }, -500)).toEqual({ place: 0, offset: 0 });
  expect(lines.moved({ place: 990, offset: 0 }, 5000)).toEqual(lines.tail);
  expect(lines.isAtTail(lines.moved(lines.tail, -1))).toBe(true);
  expect(lines.isAtTail(lines.moved(lines.tail, -10))).toBe(false);
});

test('bar and place agree, both ways', () => {
  for (const total of [1000, 2_000_000]) {
    const lines = new Lines(total, 700);
    expect(lines.scrolled).toBe(Math.min(total * LINE_HEIGHT, MOST_HEIGHT));
    expect(lines.at(0)).toEqual({ place: 0, offset: 0 });
    expect(lines.at(lines.scrolled - 700)).toEqual(lines.tail);
    const half = { place: total / 2, offset: 3 };
    const back = lines.at(lines.topOf(half));
    expect(Math.abs(lines.position(back) - lines.position(half))).toBeLessThan(0.01);
  }
});

test('near the ends a longer list moves with the bar', () => {
  const lines = new Lines(2_000_000, 700);
  expect(lines.position(lines.at(1234))).toBe(1234);
  const range = lines.scrolled - 700;
  expect(lines.position(lines.tail) - lines.position(lines.at(range - 1234))).toBeCloseTo(1234);
  expect(lines.at(range / 2).place).toBeGreaterThan(990_000);
});

test('lines that are higher count as they were measured', () => {
  const lines = new Lines(100, 100);
  expect(lines.measured(50, 54)).toBe(true);
  expect(lines.measured(50, 54.2)).toBe(false);
  expect(lines.position({ place: 51, offset: 0 })).toBe(50 * LINE_HEIGHT + 54);
  expect(lines.moved({ place: 50, offset: 0 }, 53)).toEqual({ place: 50, offset: 53 });
  expect(lines.whole).toBe(100 * LINE_HEIGHT + 36);
  lines.measured(99, 200);
  expect(lines.tail).toEqual({ place: 99, offset: 100 });
  lines.forget();
  expect(lines.whole).toBe(100 * LINE_HEIGHT);
});

test('a line is shown in the middle, where it can be', () => {
  const lines = new Lines(1000, 198);
  expect(lines.centered(500)).toEqual({ place: 495, offset: 0 });
  expect(lines.centered(2)).toEqual({ place: 0, offset: 0 });
  expect(lines.centered(999)).toEqual(lines.tail);
});
