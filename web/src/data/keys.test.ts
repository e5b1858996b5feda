import { expect, test } from 'vitest';
import { displayKey, displayKeys, joinKey, keySegments } from './keys';

test('splits at dots that are not escaped', () => {
  expect(keySegments('n.x')).toEqual(['n', 'x']);
  expect(keySegments('n\\.x')).toEqual(['n.x']);
  expect(keySegments('a\\\\.b')).toEqual(['a\\', 'b']);
  expect(keySegments('')).toEqual(['']);
});

test('joinKey is the inverse of keySegments', () => {
  for (const path of [['a'], ['a.b', 'c'], ['\\', '.'], ['', 'x', ''], ['train/loss'], ['a\\.b']]) {
    expect(keySegments(joinKey(path))).toEqual(path);
  }
});

test('displayKey shows what was logged', () => {
  expect(displayKey('train/loss')).toBe('train/loss');
  expect(displayKey('lr\\.0')).toBe('lr.0');
  expect(['  ', '\t', '\u00a0', '\u200b', ' a'].map(displayKey)).toEqual([
    '"  "',
    '"\\t"',
    '"\u00a0"',
    '"\u200b"',
    ' a',
  ]);
});

test('no two keys look the same', () => {
  const keys = [['a', 'b'], ['a.b'], ['a\\.b'], ['c.d']].map(joinKey);
  expect(displayKeys(keys)).toEqual(['a.b', 'a\\.b', 'a\\\\\\.b', 'c.d']);
  expect(displayKeys(['\\.', '\\\\'])).toEqual(['.', '\\']);
});
