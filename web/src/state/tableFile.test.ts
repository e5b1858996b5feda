import { expect, test } from 'vitest';
import { exactText } from '../data/exactJson';
import { tableOf } from './tableFile';

test('a table has columns and rows, and every digit', () => {
  const table = tableOf('{"columns": ["a", 1], "data": [[9007199254740993, "x"], [null, [1.0]]]}');
  expect(table?.columns).toEqual(['a', '1']);
  expect(table?.rows.map((row) => row.map(exactText))).toEqual([
    ['9007199254740993', 'x'],
    ['null', '[1.0]'],
  ]);
});

test.each(['', 'null', '[1]', '{"columns": ["a"]}', '{"columns": ["a"], "data": [1]}', '{"columns": ["a"'])(
  '%s is no table',
  (text) => expect(tableOf(text)).toBe(null),
);
