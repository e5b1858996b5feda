import { expect, test } from 'vitest';
import { decodeTableView, encodeTableView, sortedBy, type TableView } from './tableView';

const VIEW: TableView = {
  key: 'eval/preds, all',
  label: '2',
  step: 500,
  where: "score < 0.5 and label = 'a&b'",
  sort: [
    { k: 'a:b,c', dir: 'desc' },
    { k: 'x', dir: 'asc' },
  ],
  group: ['label', 'a,b'],
  hidden: ['img'],
  compare: { run: 'r2', step: 3 },
  by: ['id'],
  row: 17,
};

test('every view comes back from its address', () => {
  expect(decodeTableView(encodeTableView(VIEW))).toEqual(VIEW);
  const latest = { ...VIEW, compare: { run: null, step: null } };
  expect(decodeTableView(encodeTableView(latest))).toEqual(latest);
  expect(encodeTableView(decodeTableView(''), '?tab=tables')).toBe('?tab=tables');
  expect(decodeTableView('?ts=x&to=nothing&tr=-1')).toEqual(decodeTableView(''));
});

test('clicks on a column sort up, down, and no more', () => {
  const up = sortedBy([], 'a', false);
  expect(up).toEqual([{ k: 'a', dir: 'asc' }]);
  const down = sortedBy(up, 'a', false);
  expect(down).toEqual([{ k: 'a', dir: 'desc' }]);
  expect(sortedBy(down, 'a', false)).toEqual([]);
  const both = sortedBy(down, 'b', true);
  expect(both.map(({ k }) => k)).toEqual(['a', 'b']);
  expect(sortedBy(both, 'a', true)).toEqual([{ k: 'b', dir: 'asc' }]);
  expect(sortedBy(both, 'b', false)).toEqual([{ k: 'b', dir: 'desc' }]);
});
