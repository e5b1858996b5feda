import { expect, test } from 'vitest';
import type { Entry } from '../data/artifacts';
import { treeOf } from './entryTree';

const entry = (path: string, size: number | null = 10): Entry => ({
  ...{ path, size, sha256: null, digest: '', ref: null, extra: null },
});

test('entries lie in their folders, by name, with what those hold', () => {
  const tree = treeOf(['b/10', 'b/9', 'a', 'b/c/d/x'].map((path) => entry(path)));
  expect(tree.entries.map(({ path }) => path)).toEqual(['a']);
  expect([tree.count, tree.bytes]).toEqual([4, 40]);
  const [b] = tree.folders;
  expect([b?.name, b?.path, b?.count]).toEqual(['b', 'b/', 3]);
  expect(b?.entries.map(({ path }) => path)).toEqual(['b/9', 'b/10']);
  // A folder in which there is only a folder is shown with it.
  expect(b?.folders.map(({ name, path, entries }) => [name, path, entries.length])).toEqual([
    ['c/d', 'b/c/d/', 1],
  ]);
});

test('no entries are an empty folder, and sizes that nobody knows count nothing', () => {
  expect(treeOf([])).toMatchObject({ path: '', folders: [], entries: [], count: 0, bytes: 0 });
  expect(treeOf([entry('a', null)]).bytes).toBe(0);
});

test('many entries in one folder take no time that grows with their square', () => {
  const many = Array.from({ length: 20_000 }, (_, i) => entry(`images/${i}.png`));
  const [folder] = treeOf(many).folders;
  expect(folder?.count).toBe(20_000);
  expect(folder?.entries.at(-1)?.path).toBe('images/19999.png');
});
