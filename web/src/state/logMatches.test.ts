import { expect, test } from 'vitest';
import { mapMarks, matchAfter, matchText, nextMatch, readLogQuery } from './logMatches';

test('slashes make a regular expression', () => {
  expect(readLogQuery('/a|b/', false)).toEqual({ q: 'a|b', regex: true, case: false });
  expect(readLogQuery('/tmp', true)).toEqual({ q: '/tmp', regex: false, case: true });
  expect(readLogQuery('//', false)).toEqual({ q: '//', regex: false, case: false });
  expect(readLogQuery('', false)).toBeNull();
});

test('goes from match to match, and around the ends', () => {
  const all = { lines: [10, 20, 30], first: 0, matched: 3, total: 100 };
  expect(nextMatch(all, null, 1)).toBe(10);
  expect(nextMatch(all, null, -1)).toBe(30);
  expect(nextMatch(all, 10, 1)).toBe(20);
  expect(nextMatch(all, 5, 1)).toBe(10);
  expect(nextMatch(all, 15, -1)).toBe(10);
  expect(nextMatch(all, 35, -1)).toBe(30);
  expect(nextMatch(all, 30, 1)).toBe(10);
  expect(nextMatch(all, 10, -1)).toBe(30);
  expect(nextMatch({ ...all, lines: [], matched: 0 }, 5, 1)).toBeNull();
});

test('asks for matches that are not named', () => {
  const some = { lines: [10, 20, 30], first: 4, matched: 9, total: 100 };
  expect(nextMatch(some, 20, 1)).toBe(30);
  expect(nextMatch(some, 30, 1)).toEqual({ from: 31 });
  expect(nextMatch(some, 5, 1)).toEqual({ from: 6 });
  expect(nextMatch(some, null, 1)).toEqual({ from: 0 });
  expect(nextMatch(some, 20, -1)).toBe(10);
  expect(nextMatch(some, 10, -1)).toEqual({ to: 9 });
  expect(nextMatch(some, 50, -1)).toEqual({ to: 49 });
  expect(nextMatch(some, null, -1)).toEqual({ to: 100 });
  const [head, tail] = [
    { ...some, first: 0 },
    { ...some, first: 6 },
  ];
  expect(nextMatch(head, 10, -1)).toEqual({ to: 100 });
  expect(nextMatch(tail, 30, 1)).toEqual({ from: 0 });
});

/** For each place between the lines, forth and back: going on and on meets every match once a round. */
test('meets every match whatever is named', () => {
  const every = [3, 4, 9, 20, 21, 50];
  const named = (range: { from: number } | { to: number }) => {
    const behind = 'from' in range ? 0 : every.filter((line) => line <= range.to).length;
    const first =
      'from' in range ? every.filter((line) => line < range.from).length : Math.max(0, behind - 2);
    return { lines: every.slice(first, first + 2), first, matched: every.length, total: 60 };
  };
  for (const by of [1, -1] as const) {
    let [known, line] = [named({ from: 9 }), 9];
    const met: number[] = [];
    for (let i = 0; i < every.length; i++) {
      const next = nextMatch(known, line, by);
      if (next === null) throw new Error('no match');
      if (typeof next !== 'number') known = named(next);
      line = typeof next === 'number' ? next : (known.lines.at('from' in next ? 0 : -1) ?? -1);
      met.push(line);
    }
    expect([...met].sort((a, b) => a - b)).toEqual(every);
  }
});

test('finds the match at or after a line', () => {
  expect(matchAfter([10, 20, 30], 20)).toBe(1);
  expect(matchAfter([10, 20, 30], 21)).toBe(2);
  expect(matchAfter([10, 20, 30], 31)).toBe(3);
});

test('says which of how many', () => {
  expect(matchText({ lines: [10, 20], first: 100, matched: 1204 }, 20)).toBe('102 of 1,204');
  expect(matchText({ lines: [10, 20], first: 0, matched: 2 }, null)).toBe('2 matches');
  expect(matchText({ lines: [10], first: 0, matched: 1 }, 5)).toBe('1 match');
  expect(matchText({ lines: [], first: 0, matched: 0 }, null)).toBe('no match');
});

test('the map marks the parts that have matches', () => {
  expect(mapMarks([0, 4, 0, 1]).map(({ part }) => part)).toEqual([1, 3]);
  expect(mapMarks([0, 4])[0]?.weight).toBe(1);
});
