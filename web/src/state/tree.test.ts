import { expect, test } from 'vitest';
import { Exact } from '../data/exactJson';
import { flattenTree, ownConfig } from './tree';

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

test('what says how charts are drawn is none of the config', () => {
  expect(ownConfig({ lr: 1, _wandb: { visualize: {} }, nested: { _wandb: 2 } })).toEqual({
    lr: 1,
    nested: { _wandb: 2 },
  });
});
