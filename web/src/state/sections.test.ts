import { expect, test } from 'vitest';
import { foldedByDefault, isPlotted, matcherOf, sectionsOf } from './sections';

const key = (name: string, kinds = ['number']) => ({ name, kinds, n: 1, last_step: 0, hidden: false });
const matches = (query: string, text: string) => {
  const matcher = matcherOf(query);
  return matcher.ok && matcher.test(text);
};

test('groups by the text before the first slash, keys without one first', () => {
  const sections = sectionsOf([key('eval/loss'), key('loss'), key('train/a/b'), key('train/c'), key('/odd')]);
  expect(sections.map((section) => [section.name, section.panels.length])).toEqual([
    ['charts', 2],
    ['eval', 1],
    ['train', 2],
  ]);
});

test('shows keys without escapes and keeps the escaped name', () => {
  expect(sectionsOf([key('train/lr\\.0')])[0]?.panels[0]).toEqual({
    key: 'train/lr\\.0',
    title: 'train/lr.0',
  });
});

test('tells keys apart that would look the same', () => {
  const titles = sectionsOf([key('a.b'), key('a\\.b'), key('a\\.c')]).flatMap(({ panels }) =>
    panels.map((panel) => panel.title),
  );
  expect(titles).toEqual(['a.b', 'a\\.b', 'a.c']);
});

test('only numbers and bools are drawn', () => {
  expect(isPlotted(key('a', ['text']))).toBe(false);
  expect(isPlotted(key('a', ['text', 'bool']))).toBe(true);
});

test('search takes words, globs and regular expressions', () => {
  expect(matches('31 GRAD', 'layers.31/grad_norm')).toBe(true);
  expect(matches('train/*', 'train/loss')).toBe(true);
  expect(matches('train/*', 'eval/train/loss')).toBe(false);
  expect(matches('/^grad.*norm$/', 'grad_norm')).toBe(true);
  expect(matches('/grad', 'a_grad')).toBe(true);
  expect(matches('', 'anything')).toBe(true);
});

test('a broken regular expression says why', () => {
  expect(matcherOf('/(/')).toMatchObject({ ok: false, reason: 'Unterminated group' });
});

test('a page of very many panels starts with most sections folded', () => {
  const section = (name: string, count: number) => ({
    name,
    panels: Array.from({ length: count }, (_, i) => ({ key: `${name}${i}`, title: '' })),
  });
  const folded = foldedByDefault([section('big', 500), section('b', 4), section('c', 4)], 240);
  expect([...folded]).toEqual(['b', 'c']);
  expect(foldedByDefault([section('a', 100), section('b', 100)]).size).toBe(0);
});
