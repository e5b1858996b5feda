import { expect, test } from 'vitest';
import { assignLooks, type Look, Looks, dashOf, hashId, labelRanks, orderedLabels } from './colors';

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

test('hiding a run changes no other, and showing it again gives it back what it had', () => {
  const all = ids.slice(0, 25);
  const page = new Looks();
  const before = page.assign(all);
  for (const hidden of all) {
    const without = page.assign(all.filter((id) => id !== hidden));
    for (const [id, look] of without) expect(look).toEqual(before.get(id));
  }
  expect(page.assign(all.slice().reverse())).toEqual(before);
});

test('a look that another run has meanwhile is not given twice', () => {
  const known = assignLooks(ids.slice(0, 1));
  const [look] = [...known.values()];
  const before = new Map(ids.slice(0, 5).map((id) => [id, look as Look]));
  const looks = [...assignLooks(ids, before).values()].map(({ hue, dash }) => `${hue}/${dash}`);
  expect(new Set(looks).size).toBe(40);
});

test('labels of one run have dashes of their own, the first a solid line', () => {
  const labels = ['10', '', '2', '9', '1', '3'];
  const rank = labelRanks([...labels, ...labels].map((label) => ({ run: 'a', label })));
  expect(orderedLabels([...labels, ''])).toEqual(['', '1', '2', '3', '9', '10']);
  expect(orderedLabels(labels).map((label) => rank('a', label))).toEqual([0, 1, 2, 3, 4, 5]);
  expect([rank('b', ''), rank('a', 'new')]).toEqual([0, 0]);
  expect(dashOf(0)).toEqual([]);
  expect(new Set(Array.from({ length: 12 }, (_, i) => dashOf(i).join())).size).toBe(12);
  expect(labelRanks([{ run: 'a', label: 'rank-1' }])('a', 'rank-1')).toBe(0);
});

test('the server has the same hues', () => {
  // As tests/e2e/test_chart_data.py has them.
  expect(['a', '3f9k2m', 'größe 😀'].map((id) => hashId(id) % 10)).toEqual([0, 3, 9]);
});
