import { expect, test } from 'vitest';
import { decodeView, DEFAULT_VIEW, encodeView, type WorkspaceView } from './urlState';

const full: WorkspaceView = {
  search: 'train/* +a&b',
  runSearch: '^falcon=\\d',
  sort: { k: 'summary.val/loss', dir: 'asc' },
  value: 'val/loss',
  x: 'wall',
  together: true,
  log: true,
  logFlips: ['a,b', 'c\\'],
  zoom: [-1.5e-7, 2e18],
  selected: ['a1', 'b2'],
  folds: ['layers', 'x,y'],
  sidebar: false,
  panel: 'train/lr\\.0',
};

test('defaults are left out', () => {
  expect(encodeView(DEFAULT_VIEW)).toBe('');
  expect(decodeView('')).toEqual(DEFAULT_VIEW);
});

test('every state survives the round trip', () => {
  expect(decodeView(encodeView(full))).toEqual(full);
  // Each field alone, so that a default elsewhere hides nothing.
  for (const name of Object.keys(full) as (keyof WorkspaceView)[]) {
    const view = { ...DEFAULT_VIEW, [name]: full[name] };
    expect(decodeView(encodeView(view))).toEqual(view);
  }
});

test('a sort that the server does not know is the default', () => {
  expect(decodeView('?s=foo:asc').sort).toEqual(DEFAULT_VIEW.sort);
  expect(decodeView('?s=name:asc').sort).toEqual({ k: 'name', dir: 'asc' });
});

test('no run selected differs from the default selection', () => {
  expect(decodeView(encodeView({ ...DEFAULT_VIEW, selected: [] })).selected).toEqual([]);
});

test('the order is stable and readable', () => {
  const query = encodeView({ ...DEFAULT_VIEW, selected: ['a', 'b'], zoom: [1, 2], search: 'train/loss' });
  expect(query).toBe('?q=train/loss&z=1:2&sel=a,b');
});

test('unknown parameters are kept', () => {
  expect(encodeView({ ...DEFAULT_VIEW, log: true }, '?future=1&y=lin')).toBe('?y=log&future=1');
});

test('nonsense falls back on defaults', () => {
  expect(decodeView('?z=5:5&x=moon&s=name')).toEqual(DEFAULT_VIEW);
  expect(decodeView('?z=-50:1e30')).toEqual(DEFAULT_VIEW);
});
