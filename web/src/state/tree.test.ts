import { expect, test } from 'vitest';
import { Exact } from '../data/exactJson';
import { flattenTree } from './tree';

test('leaves keep their path; lists and empty objects are values', () => {
  expect(flattenTree({ lr: 1, optim: { betas: [0.9, 0.99], 'a.b': null }, none: {} })).toEqual([
    { path: ['lr'], value: 1 },
    { path: ['optim', 'betas'], value: [0.9, 0.99] },
    { path: ['optim', 'a.b'], value: null },
    { path: ['none'], value: {} },
  ]);
  expect(flattenTree({})).toEqual([]);
  expect(flattenTree({ one: new Exact('1.0') })).toEqual([{ path: ['one'], value: new Exact('1.0') }]);
});
