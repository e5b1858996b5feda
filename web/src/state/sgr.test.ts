import { expect, test } from 'vitest';
import { indexedColor, markFound, parseSgr, plainText } from './sgr';

const looks = (line: string) => parseSgr(line).map(({ text, look }) => [text, look]);

test('a line without colours is one piece, an empty one is none', () => {
  expect(looks('plain')).toEqual([['plain', '']]);
  expect(looks('')).toEqual([]);
  expect(looks('\x1b[31m\x1b[0m')).toEqual([]);
});

test('names the 16 colours of text and ground, and ends them', () => {
  expect(looks('a\x1b[31mb\x1b[39mc\x1b[102md\x1b[49me')).toEqual([
    ['a', ''],
    ['b', 'fg-1'],
    ['c', ''],
    ['d', 'bg-10'],
    ['e', ''],
  ]);
  expect(looks('\x1b[0;1;97;44mx\x1b[mz')).toEqual([
    ['x', 'bold fg-15 bg-4'],
    ['z', ''],
  ]);
});

test('flags end one by one', () => {
  expect(looks('\x1b[1;2;3;4;9ma\x1b[22mb\x1b[23;24mc')).toEqual([
    ['a', 'bold dim italic underline strike'],
    ['b', 'italic underline strike'],
    ['c', 'strike'],
  ]);
});

test('reverse changes the places of the colours', () => {
  expect(looks('\x1b[7mx\x1b[31;42my\x1b[27mz')).toEqual([
    ['x', 'fg-reverse bg-reverse'],
    ['y', 'fg-2 bg-1'],
    ['z', 'fg-1 bg-2'],
  ]);
});

test('256 colours and RGB are CSS, the first 16 names', () => {
  expect(parseSgr('\x1b[38;5;208;48;2;1;2;300mx')[0]).toMatchObject({
    look: '',
    color: 'rgb(255 135 0)',
    back: 'rgb(1 2 255)',
  });
  expect(parseSgr('\x1b[38:2::1:2:3mx')[0]?.color).toBe('rgb(1 2 3)');
  expect(looks('\x1b[38;5;9mx')).toEqual([['x', 'fg-9']]);
  expect(indexedColor(232)).toEqual({ css: 'rgb(8 8 8)' });
  expect(indexedColor(999)).toBeNull();
});

test('a colour that is cut short changes nothing else', () => {
  expect(looks('\x1b[38mx')).toEqual([['x', '']]);
  expect(looks('\x1b[;mx')).toEqual([['x', '']]);
});

test('markup stays text', () => {
  expect(looks('<b>\x1b[31m&amp;')).toEqual([
    ['<b>', ''],
    ['&amp;', 'fg-1'],
  ]);
  expect(plainText('\x1b[1ma\x1b[0mb')).toBe('ab');
});

test('what is found is marked, also across colours', () => {
  const marked = markFound(parseSgr('a needle, nee\x1b[31mdle'), 'Needle', false);
  expect(marked.map(({ text, look, isFound }) => [text, look, isFound])).toEqual([
    ['a ', '', false],
    ['needle', '', true],
    [', ', '', false],
    ['nee', '', true],
    ['dle', 'fg-1', true],
  ]);
  expect(markFound(parseSgr('needle'), 'Needle', true).some(({ isFound }) => isFound)).toBe(false);
  expect(markFound(parseSgr('aaa'), 'a', true).map(({ isFound }) => isFound)).toEqual([true, true, true]);
});
