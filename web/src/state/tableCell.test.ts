import { expect, test } from 'vitest';
import { Exact } from '../data/exactJson';
import { barsIn, cellText, isValue, mediaOf, wholeText } from './tableCell';

const HASH = 'ab'.repeat(32);

test('a histogram in a cell has bars', () => {
  const cell = '{"_type": "histogram", "values": [1], "bins": [0, 1]}';
  expect(barsIn(cell, 'json')?.counts).toEqual([1]);
  expect(barsIn('{"_type": "histogram", "values": [NaN]', 'json')).toBeNull();
  expect(barsIn('["histogram"]', 'json')).toBeNull();
  expect(barsIn(cell, 'text')).toBeNull();
});

test('cells are what they say', () => {
  expect(cellText(null, 'float')).toBe('');
  expect(cellText('NaN', 'float')).toBe('NaN');
  expect(cellText(new Exact('9007199254740993'), 'int')).toBe('9007199254740993');
  expect(cellText(new Exact('1.0'), 'float')).toBe('1');
  expect(cellText(0.1234567891, 'float')).toBe('0.123457');
  expect(cellText(true, 'bool')).toBe('true');
  expect(cellText('a b', 'text')).toBe('a b');
  const image =
    '{"_type": "image-file", "path": "media/images/a.png", "sha256": "HASH", "caption": "c"}'.replace(
      'HASH',
      HASH,
    );
  expect(cellText(image, 'media')).toBe('a.png');
  expect(mediaOf(image)).toEqual({
    type: 'image-file',
    path: 'media/images/a.png',
    sha256: HASH,
    caption: 'c',
  });
  expect(mediaOf('nothing')).toBeNull();
  expect(mediaOf(image.replace(HASH, '../../logout'))?.sha256).toBeNull();
});

test('the whole of a cell loses nothing', () => {
  expect(wholeText('{"a": [1, 2]}', 'json')).toBe('{\n  "a": [\n    1,\n    2\n  ]\n}');
  expect(wholeText('"a\\nb"', 'json')).toBe('a\nb');
  expect(wholeText('[9007199254740993]', 'json')).toBe('[9007199254740993]');
  expect(wholeText('[NaN]', 'json')).toBe('[NaN]');
  expect(wholeText(new Exact('1700000000000.0'), 'time')).toBe('2023-11-14T22:13:20.000Z');
  expect(wholeText(9e15, 'time')).toBe('9000000000000000 ms');
});

test('a value becomes a condition', () => {
  expect(isValue('label', "it's", 'text')).toBe("label = 'it''s'");
  expect(isValue('a/b', 3, 'int')).toBe('`a/b` = 3');
  expect(isValue('in', null, 'int')).toBe('`in` is null');
  expect(isValue('x', 'NaN', 'float')).toBe('x != x');
  expect(isValue('ok', false, 'bool')).toBe('not ok');
  expect(isValue('mix', '"a"', 'json')).toBe("mix = 'a'");
});
