import { expect, test } from 'vitest';
import { foldersOf, MOST_SHOWN_BYTES, previewOf, readableText, writersOf } from './fileList';

const file = (name: string, writer = 'w', size = 1) => ({ name, size, logged: 0, writer, label: writer });

test('shows what can be looked at, and no more than is quick', () => {
  expect(previewOf(file('a/diff.patch')).kind).toBe('patch');
  expect(previewOf(file('conf.YAML')).kind).toBe('text');
  expect(previewOf(file('Makefile')).kind).toBe('text');
  expect(previewOf(file('plot.svg'))).toEqual({ kind: 'image', type: 'image/svg+xml' });
  expect(previewOf(file('model.pt')).kind).toBe('none');
  expect(previewOf(file('big.json', 'w', MOST_SHOWN_BYTES + 1)).kind).toBe('large');
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
