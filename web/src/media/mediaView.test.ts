import { expect, test } from 'vitest';
import { decodeMedia, encodeMedia, withStep, type MediaView } from './mediaView';

const VIEW: MediaView = {
  sections: new Map([['a:b,c', 7]]),
  keys: new Map([['train/x', 0]]),
  spread: ['p,q'],
  ridges: ['r'],
  open: { key: 'a,b\\.c', run: 'r', label: '', step: 5, index: 2 },
  marks: false,
};

test('a view comes back from the address, and other parameters stay', () => {
  const query = encodeMedia(VIEW, '?tab=media&mk=old:1');
  expect(decodeMedia(query)).toEqual(VIEW);
  expect(new URLSearchParams(query).get('tab')).toBe('media');
});

test('what makes no sense is left out', () => {
  expect(decodeMedia('?ms=a,b:x,c:-1,d:9e9,:3&m=a,b,c,-1,0')).toEqual({
    sections: new Map([['', 3]]),
    keys: new Map(),
    spread: [],
    ridges: [],
    open: null,
    marks: true,
  });
  expect(encodeMedia(decodeMedia(''))).toBe('');
});

test('a step is set and taken away', () => {
  expect(withStep(VIEW.keys, 'y', 3)).toEqual(
    new Map([
      ['train/x', 0],
      ['y', 3],
    ]),
  );
  expect(withStep(VIEW.keys, 'train/x', null)).toEqual(new Map());
});
