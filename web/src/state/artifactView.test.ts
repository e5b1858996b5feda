import { expect, test } from 'vitest';
import {
  countsText,
  decodeArtifactView,
  decodeCollectionsView,
  encodeArtifactView,
  encodeCollectionsView,
  type ArtifactView,
} from './artifactView';

const full: ArtifactView = { tab: 'files', file: 'a/ü b.txt', prefix: 'a/', depth: 8, other: 'v1' };

test('every state survives the round trip', () => {
  expect(decodeArtifactView(encodeArtifactView(full))).toEqual(full);
  expect(encodeArtifactView(full, '?moon=1')).toContain('moon=1');
  const list = { type: 'model', search: 'a b' };
  expect(decodeCollectionsView(encodeCollectionsView(list))).toEqual(list);
});

test('what is as it was is not in the address, and nonsense falls back', () => {
  expect(encodeArtifactView(decodeArtifactView(''))).toBe('');
  expect(decodeArtifactView('?tab=moon&depth=99')).toEqual(decodeArtifactView(''));
  expect(encodeCollectionsView(decodeCollectionsView(''))).toBe('');
});

test('counts what a lineage has, one in the singular', () => {
  const [run, artifact] = [{ kind: 'run' }, { kind: 'artifact' }] as const;
  expect(countsText([artifact, run, artifact])).toBe('2 versions, 1 run');
  expect(countsText([artifact])).toBe('1 version, 0 runs');
});
