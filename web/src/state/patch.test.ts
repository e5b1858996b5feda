import { expect, test } from 'vitest';
import { cutPatch, parsePatch } from './patch';

const head = (name: string) =>
  `diff --git a/${name} b/${name}\nindex 1..2 100644\n--- a/${name}\n+++ b/${name}\n`;

test('lines know what happened to them, and their numbers', () => {
  const [file] = parsePatch(`${head('a.py')}@@ -10,3 +10,3 @@ def main():\n same\n-old\n+new\n last\n`);
  expect(file).toMatchObject({ name: 'a.py', change: 'changed', added: 1, removed: 1 });
  expect(file?.lines).toEqual([
    { kind: 'hunk', text: '@@ -10,3 +10,3 @@ def main():', old: null, new: null },
    { kind: 'context', text: 'same', old: 10, new: 10 },
    { kind: 'removed', text: 'old', old: 11, new: null },
    { kind: 'added', text: 'new', old: null, new: 11 },
    { kind: 'context', text: 'last', old: 12, new: 12 },
  ]);
});

test('a changed line may look like the head of a file', () => {
  const files = parsePatch(
    `${head('a.sql')}@@ -1,2 +1,2 @@\n--- a comment\n+++ another\n diff --git a/x b/x\n`,
  );
  expect(files).toHaveLength(1);
  expect(files[0]).toMatchObject({ name: 'a.sql', added: 1, removed: 1 });
});

test('files are added, deleted, renamed and binary', () => {
  const patch = [
    'diff --git a/new.py b/new.py\nnew file mode 100644\n--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x',
    'diff --git a/gone.py b/gone.py\ndeleted file mode 100644\n--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x',
    'diff --git a/a b.py b/c d.py\nsimilarity index 100%\nrename from a b.py\nrename to c d.py',
    'diff --git a/logo.png b/logo.png\nBinary files a/logo.png and b/logo.png differ',
  ].join('\n');
  expect(parsePatch(patch).map(({ name, change, before }) => [name, change, before])).toEqual([
    ['new.py', 'added', null],
    ['gone.py', 'deleted', null],
    ['c d.py', 'renamed', 'a b.py'],
    ['logo.png', 'binary', null],
  ]);
});

test('names with spaces and quotes are read', () => {
  const patch =
    'diff --git "a/a\\"b.py" "b/a\\"b.py"\n--- "a/a\\"b.py"\n+++ "b/a\\"b.py"\n@@ -1 +1 @@\n-1\n+2\n';
  expect(parsePatch(patch)[0]?.name).toBe('a"b.py');
  expect(parsePatch(head('a b.py').replaceAll('.py\n', '.py\t\n'))[0]?.name).toBe('a b.py');
});

test('no end of line and a cut are noted', () => {
  const cut = '\n# cut here, after 900,000 bytes: it is too large\n';
  const [file] = parsePatch(`${head('a')}@@ -1 +1 @@\n-1\n\\ No newline at end of file\n+2\n${cut}`);
  expect(file?.lines.filter(({ kind }) => kind === 'note').map(({ text }) => text)).toEqual([
    '\\ No newline at end of file',
    '# cut here, after 900,000 bytes: it is too large',
  ]);
});

test('a hunk that promises more lines than it has ends with the next file', () => {
  const files = parsePatch(`${head('a')}@@ -1,9 +1,9 @@\n-1\n+2\n${head('b')}@@ -1 +1 @@\n-1\n+2\n`);
  expect(files.map(({ name, added }) => [name, added])).toEqual([
    ['a', 1],
    ['b', 1],
  ]);
});

test('text that is no patch has no files', () => {
  expect(parsePatch('')).toEqual([]);
  expect(parsePatch('hello\n@@ -1 +1 @@\n')).toEqual([]);
});

test('a long patch is cut at the end of a line', () => {
  expect(cutPatch('ab\ncd\nef\n', 7)).toEqual({ shown: 'ab\ncd\n', left: 3 });
  expect(cutPatch('ab\n', 3)).toEqual({ shown: 'ab\n', left: 0 });
});
