import { expect, test } from 'vitest';
import { assignLooks, hashId } from './colors';

const ids = Array.from({ length: 40 }, (_, i) => `run-${i}`);

test('the first ten visible runs never share a hue', () => {
  const looks = assignLooks(ids.slice(0, 10));
  expect(new Set([...looks.values()].map((look) => look.hue)).size).toBe(10);
  expect([...looks.values()].every((look) => look.dash === 0)).toBe(true);
});

test('forty runs have forty looks', () => {
  const looks = [...assignLooks(ids).values()].map((look) => `${look.hue}/${look.dash}`);
  expect(new Set(looks).size).toBe(40);
});

test('a run alone has the hue of its hash', () => {
  for (const id of ids) expect(assignLooks([id]).get(id)?.hue).toBe(hashId(id) % 10);
});

test('adding a run at the end changes no other', () => {
  const before = assignLooks(ids.slice(0, 12));
  const after = assignLooks(ids.slice(0, 13));
  for (const [id, look] of before) expect(after.get(id)).toEqual(look);
});
