import { expect, test } from 'vitest';
import { mapMarks, matchAfter, matchText, readLogQuery, stepMatch } from './logMatches';

test('slashes make a regular expression', () => {
  expect(readLogQuery('/a|b/', false)).toEqual({ q: 'a|b', regex: true, case: false });
  expect(readLogQuery('/tmp', true)).toEqual({ q: '/tmp', regex: false, case: true });
  expect(readLogQuery('//', false)).toEqual({ q: '//', regex: false, case: false });
  expect(readLogQuery('', false)).toBeNull();
});

test('goes from match to match, and around the ends', () => {
  const matches = [10, 20, 30];
  expect(stepMatch(matches, null, 1)).toBe(10);
  expect(stepMatch(matches, null, -1)).toBe(30);
  expect(stepMatch(matches, 10, 1)).toBe(20);
  expect(stepMatch(matches, 15, -1)).toBe(10);
  expect(stepMatch(matches, 30, 1)).toBe(10);
  expect(stepMatch(matches, 10, -1)).toBe(30);
  expect(stepMatch([], 5, 1)).toBeNull();
});

test('finds the match at or after a line', () => {
  expect(matchAfter([10, 20, 30], 20)).toBe(1);
  expect(matchAfter([10, 20, 30], 21)).toBe(2);
  expect(matchAfter([10, 20, 30], 31)).toBe(3);
});

test('says which of how many', () => {
  expect(matchText([10, 20], 1204, 20)).toBe('2 of 1,204');
  expect(matchText([10, 20], 2, null)).toBe('2 matches');
  expect(matchText([10], 1, 5)).toBe('1 match');
  expect(matchText([], 0, null)).toBe('no match');
});

test('the map marks the parts that have matches', () => {
  expect(mapMarks([0, 4, 0, 1]).map(({ part }) => part)).toEqual([1, 3]);
  expect(mapMarks([0, 4])[0]?.weight).toBe(1);
});
