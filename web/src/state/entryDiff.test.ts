import { expect, test } from 'vitest';
import type { Entry } from '../data/artifacts';
import { diffOf, growthOf } from './entryDiff';

const entry = (path: string, digest: string, size = 1, ref: string | null = null): Entry => ({
  ...{ path, size, sha256: null, digest, ref, extra: null },
});

test('entries are added, removed, changed or the same', () => {
  const before = [entry('a', '1'), entry('b', '1', 5), entry('c', '1', 7)];
  const after = [entry('d', '1', 3), entry('a', '1'), entry('b', '2', 9)];
  const { changes, same } = diffOf(before, after);
  expect(same).toBe(1);
  expect(changes.map((change) => [change.path, change.kind, growthOf(change)])).toEqual([
    ['b', 'changed', 4],
    ['c', 'removed', -7],
    ['d', 'added', 3],
  ]);
});

test('a reference to another place is another content', () => {
  const moved = diffOf([entry('a', '1', 1, 's3://x/a')], [entry('a', '1', 1, 's3://y/a')]);
  expect(moved.changes.map(({ kind }) => kind)).toEqual(['changed']);
  expect(diffOf([], [])).toEqual({ changes: [], same: 0 });
});
