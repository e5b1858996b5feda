import { expect, test } from 'vitest';
import type { Collection, Version } from '../data/artifacts';
import {
  chosenVersion,
  collectionsOf,
  merged,
  nameHint,
  refOf,
  typesOf,
  useLines,
  versionText,
} from './artifactList';

const collection = (type: string, name: string, more: Partial<Collection> = {}): Collection => ({
  ...{ type, name, description: null, tags: [], versions: 1, latest: null, created: 1, updated: 1 },
  ...more,
});

const VERSION: Version = {
  ...{ id: 'ab12', name: 'model', entity: 'me', project: 'demo', type: 'model', version: 'v2' },
  ...{ aliases: ['latest'], tags: [], digest: 'd', size: 1, count: 1, description: null, metadata: null },
  ...{ created: 1, state: 'committed', reason: '', source: null, run: null },
};

const COLLECTIONS = [
  collection('run_table', 'run-1-preds', { updated: 9 }),
  collection('model', 'net 10'),
  collection('model', 'net 9', { description: 'small ConvNet', tags: ['prod'] }),
  collection('dataset', 'cifar', { updated: 5 }),
];

test('types are counted, and what runs log by themselves comes last', () => {
  expect(typesOf(COLLECTIONS)).toEqual([
    { type: 'dataset', count: 1, folds: false },
    { type: 'model', count: 2, folds: false },
    { type: 'run_table', count: 1, folds: true },
  ]);
});

test('collections are of a type, found by every word, the last changed first', () => {
  const names = (type: string | null, search: string) =>
    collectionsOf(COLLECTIONS, type, search).map(({ name }) => name);
  expect(names(null, '')).toEqual(['cifar', 'net 9', 'net 10']);
  expect(names('run_table', '')).toEqual(['run-1-preds']);
  expect(names('model', 'PROD convnet')).toEqual(['net 9']);
  expect(names('model', 'prod large')).toEqual([]);
});

test('an address names a version by its number, an alias or its id', () => {
  const old = { ...VERSION, id: 'cd', version: 'v1', aliases: ['best'] };
  const failed: Version = { ...VERSION, id: 'ef', version: null, aliases: [], state: 'failed' };
  const all = [failed, VERSION, old];
  expect(chosenVersion(all, null)).toBe(VERSION);
  expect(chosenVersion([failed], null)).toBe(failed);
  expect(chosenVersion(all, 'v1')).toBe(old);
  expect(chosenVersion(all, 'best')).toBe(old);
  expect(chosenVersion(all, refOf(failed))).toBe(failed);
  expect(chosenVersion(all, 'v7')).toBe(null);
  expect([versionText(old), versionText(failed)]).toEqual(['v1', 'failed']);
});

test('what has become no version stands where its time is', () => {
  const at = (id: string, created: number) => ({ ...VERSION, id, created });
  const ids = (some: Version[], others: Version[]) => merged(some, others).map(({ id }) => id);
  expect(ids([at('v1', 5), at('v0', 3)], [at('x', 9), at('y', 4), at('z', 1)])).toEqual([
    ...['x', 'v1', 'y', 'v0', 'z'],
  ]);
  expect(ids([], [at('x', 9)])).toEqual(['x']);
  expect(ids([at('v0', 3)], [])).toEqual(['v0']);
});

test('the lines of a program name the version', () => {
  expect(useLines(VERSION).run).toBe(
    'artifact = run.use_artifact("me/demo/model:v2")\nfolder = artifact.download()',
  );
  expect(useLines({ ...VERSION, name: 'a "b"' }).api).toContain(
    'steplog.Api().artifact("me/demo/a \\"b\\":v2")',
  );
});

test('a text that can be no alias says why', () => {
  expect(nameHint('best', true)).toBe(null);
  expect(nameHint('v3', true)).toContain('names a version');
  expect(nameHint('latest', true)).toContain('newest');
  expect(nameHint('a:b', true)).toContain('no :');
  expect(nameHint('a:b', false)).toBe(null);
  expect(nameHint(' ', false)).toBe('It is empty.');
});
