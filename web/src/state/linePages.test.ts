import { expect, test } from 'vitest';
import type { LogLine } from '../data/types';
import { guessPlace, LinePages, MOST_ASKED, PAGE_LINES, tailRange } from './linePages';

const lines = (from: number, count: number): LogLine[] =>
  Array.from({ length: count }, (_, i) => [from + i, 0, 'o', '', `line ${from + i}`, 0]);

test('asks whole pages around what is missing, and nothing once it is there', () => {
  const pages = new LinePages();
  expect(pages.missing(620, 660, 10_000)).toEqual({ from: 500, limit: 500 });
  expect(pages.missing(480, 520, 10_000)).toEqual({ from: 0, limit: 1000 });
  pages.put(500, lines(500, 500));
  expect(pages.missing(620, 660, 10_000)).toBeNull();
  expect(pages.missing(480, 660, 10_000)).toEqual({ from: 0, limit: 500 });
  expect(pages.line(620)?.[4]).toBe('line 620');
});

test('asks no more than an answer holds', () => {
  expect(new LinePages().missing(0, 50_000, 50_000)).toEqual({ from: 0, limit: MOST_ASKED });
});

test('nothing is missing beyond the ends', () => {
  const pages = new LinePages();
  expect(pages.missing(-200, 0, 0)).toBeNull();
  pages.put(0, lines(0, 30));
  expect(pages.missing(-200, 230, 30)).toBeNull();
  expect(pages.missing(-200, 230, 31)).toEqual({ from: 0, limit: 500 });
});

test('lines that come again replace the held ones, over the edge of a page', () => {
  const pages = new LinePages();
  pages.put(490, lines(490, 20));
  pages.put(499, [[499, 0, 'o', '', '100%', 3]]);
  expect(pages.line(499)?.[4]).toBe('100%');
  expect(pages.line(500)?.[4]).toBe('line 500');
  expect(pages.line(510)).toBeUndefined();
});

test('drops pages that are far', () => {
  const pages = new LinePages();
  for (const from of [0, 1_000_000, 1_005_000]) pages.put(from, lines(from, PAGE_LINES));
  pages.keepAround(1_000_000);
  expect(pages.size).toBe(2);
  expect(pages.line(0)).toBeUndefined();
});

test('the end is asked with the lines that may be rewritten', () => {
  expect(tailRange(1000)).toEqual({ from: 936, limit: 2000 });
  expect(tailRange(10).from).toBe(0);
});

test('guesses in proportion, and halves after a bad guess', () => {
  const [lo, hi] = [
    { place: 0, number: 0 },
    { place: 100, number: 1000 },
  ];
  expect(guessPlace(lo, hi, 250, false)).toBe(25);
  expect(guessPlace(lo, hi, 250, true)).toBe(50);
  expect(guessPlace(lo, hi, 5000, false)).toBe(100);
  expect(guessPlace(lo, { ...hi, number: 0 }, 5, false)).toBe(50);
});
