import { expect, test } from 'vitest';
import { patchRows, rowsOf, type RunRow, valueAt } from './runRows';

const columns = {
  ids: ['a', 'b'],
  cols: {
    name: ['first', null],
    state: [1, 0],
    created: [10, 20],
    updated: [11, 21],
    duration: [1, null],
    'summary.loss': [0.5, 'NaN'],
  },
  dict: { state: ['running', 'finished'] },
};

test('reads columns, with states out of their dictionary', () => {
  const rows = rowsOf(columns, 'summary.loss');
  expect(rows[0]).toEqual({
    id: 'a',
    name: 'first',
    state: 'finished',
    created: 10,
    updated: 11,
    duration: 1,
    value: 0.5,
  });
  expect(rows[1]).toMatchObject({ name: 'b', state: 'running', duration: null, value: 'NaN' });
});

test('live updates change known rows, drop removed ones and tell of new ones', () => {
  const rows = rowsOf(columns, null);
  const [first] = rows as [RunRow];
  const changed = { ...first, name: 'renamed' };
  expect(patchRows(rows, [changed], ['b'])).toEqual({ rows: [changed], fresh: false });
  expect(patchRows(rows, [{ ...changed, id: 'c' }], []).fresh).toBe(true);
});

test('nested values are found by escaped key', () => {
  const tree = { optim: { 'lr.0': 0.1 }, flat: 1 };
  expect(valueAt(tree, 'optim.lr\\.0')).toBe(0.1);
  expect(valueAt(tree, 'optim.none')).toBe(undefined);
  expect(valueAt(tree, 'flat.deeper')).toBe(undefined);
});
