import { expect, test } from 'vitest';
import {
  arrivedOf,
  foldersOf,
  MOST_IMAGE_BYTES,
  MOST_SHOWN_BYTES,
  previewOf,
  readableText,
  wholeLines,
  writersOf,
} from './fileList';

const file = (name: string, writer = 'w', size = 1) => ({
  name,
  size,
  logged: 0,
  writer,
  label: writer,
  sha256: '',
  state: 'stored' as const,
});

test('shows what can be looked at, and no more than is quick', () => {
  expect(previewOf(file('a/diff.patch')).kind).toBe('patch');
  expect(previewOf(file('conf.YAML')).kind).toBe('text');
  expect(previewOf(file('Makefile')).kind).toBe('text');
  expect(previewOf(file('plot.svg'))).toEqual({ kind: 'image', type: 'image/svg+xml' });
  expect(previewOf(file('model.pt')).kind).toBe('none');
  expect(previewOf(file('big.json', 'w', MOST_SHOWN_BYTES)).kind).toBe('text');
  expect(previewOf(file('big.json', 'w', MOST_SHOWN_BYTES + 1)).kind).toBe('begin');
  expect(previewOf(file('big.patch', 'w', MOST_SHOWN_BYTES + 1)).kind).toBe('begin');
  expect(previewOf(file('big.png', 'w', MOST_IMAGE_BYTES + 1)).kind).toBe('large');
  expect(previewOf(file('model.pt', 'w', 2 ** 40)).kind).toBe('none');
});

test('nothing is shown of what has not come', () => {
  for (const name of ['a.txt', 'a.png', 'a.patch', 'a.pt'])
    expect(previewOf({ ...file(name), state: 'wanted' }).kind).toBe('wanted');
});

test('says how much of a file has come, the unit once', () => {
  const MiB = 2 ** 20;
  expect(arrivedOf({ size: 900 * MiB, have: 312 * MiB })).toBe('312 of 900 MiB');
  expect(arrivedOf({ size: 900 * MiB, have: 2048 })).toBe('2 KiB of 900 MiB');
  expect(arrivedOf({ size: 900 * MiB })).toBe('0 B of 900 MiB');
  expect(arrivedOf({ size: 0, have: 0 })).toBe('0 of 0 B');
});

test('a text that is cut ends with a whole line', () => {
  expect(wholeLines('one\ntwo\nthr\ufffd')).toBe('one\ntwo\n');
  expect(wholeLines('one line')).toBe('one line');
});

test('folders hold the files of one writer', () => {
  const files = [file('code/b10.py'), file('code/b2.py'), file('z.json'), file('a.json', 'other')];
  expect(
    foldersOf(files, 'w').map(({ folder, files: own }) => [folder, own.map(({ name }) => name)]),
  ).toEqual([
    ['', ['z.json']],
    ['code', ['code/b2.py', 'code/b10.py']],
  ]);
  expect(writersOf(files).map(({ writer }) => writer)).toEqual(['other', 'w']);
});

test('JSON is set out, unless a number would lose digits', () => {
  expect(readableText('a.json', '{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(readableText('a.json', '{"a":12345678901234567890}')).toBe('{"a":12345678901234567890}');
  expect(readableText('a.json', '{')).toBe('{');
  expect(readableText('a.txt', '{"a":1}')).toBe('{"a":1}');
});
