import { expect, test } from 'vitest';
import { momentOf, momentX, readMoment, writeMoment } from './moment';

test.each([
  { step: 48, wall: 1764286612123.25 },
  { step: 0, wall: null },
  { step: null, wall: 1764286612123 },
])('a moment survives the round trip', (moment) => {
  expect(readMoment(writeMoment(moment))).toEqual(moment);
});

test.each([null, '', ':', 'x', '48', '-1:', '1e3:', ':1e12', '1:2:3', '1.5:'])('%s is none', (text) => {
  expect(readMoment(text)).toBeNull();
});

test('lies on an axis where its step or time is', () => {
  const moment = { step: 7, wall: 5000 };
  expect(momentX(moment, 'step', null)).toBe(7);
  expect(momentX(moment, 'wall', null)).toBe(5000);
  expect(momentX(moment, 'relative', 4000)).toBe(1000);
  expect(momentX(moment, 'relative', null)).toBeNull();
  expect(momentX({ step: 7, wall: null }, 'relative', 4000)).toBeNull();
});

test('a place on an axis is a moment', () => {
  expect(momentOf(7, 'step', 0)).toEqual({ step: 7, wall: null });
  expect(momentOf(5000.25, 'wall', 0)).toEqual({ step: null, wall: 5000.251 });
  expect(momentOf(1000, 'relative', 4000)).toEqual({ step: null, wall: 5000.001 });
});
