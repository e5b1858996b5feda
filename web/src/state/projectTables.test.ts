import { expect, test } from 'vitest';
import type { MediaSeries } from '../data/media';
import { shownSources, tableKeysOf } from './projectTables';

const series = (run: string, key: string, label = '', kind = 'table-file'): MediaSeries => ({
  ...{ run, key, label, kind, steps: [0, 7], counts: [1, 1] },
});

test('tables of a key are those of all runs, in their order, and nothing else', () => {
  const keys = tableKeysOf(
    [
      series('old', 'b'),
      series('new', 'b', 'rank 1'),
      series('new', 'b'),
      series('new', 'image', '', 'image-file'),
      series('old', 'a', '', 'incremental-table-file'),
    ],
    ['new', 'old'],
  );
  expect(keys.map(({ key }) => key)).toEqual(['a', 'b']);
  expect(keys[1]?.sources.map(({ run, label, step }) => [run, label, step])).toEqual([
    ['new', '', 7],
    ['new', 'rank 1', 7],
    ['old', '', 7],
  ]);
});

test('hidden runs are left out, and no more are asked for than the server takes', () => {
  const runs = Array.from({ length: 60 }, (_, i) => `r${i}`);
  const [key] = tableKeysOf(
    runs.map((run) => series(run, 'a')),
    runs,
  );
  const shown = shownSources(key as NonNullable<typeof key>, ['r0', 'r2']);
  expect(shown).toHaveLength(50);
  expect(shown.slice(0, 2).map(({ run }) => run)).toEqual(['r1', 'r3']);
});
