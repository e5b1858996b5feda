import { expect, test } from 'vitest';
import { lineOfHash, lineTime } from './logText';

test('tells when a line began, as asked', () => {
  const start = new Date(2026, 0, 2, 3, 4, 5, 6).getTime();
  expect(lineTime(start, 'off', start)).toBe('');
  expect(lineTime(start, 'clock', 0)).toBe('03:04:05.006');
  expect(lineTime(start + 3_723_004.6, 'relative', start)).toBe('1:02:03.005');
  expect(lineTime(start - 10, 'relative', start)).toBe('0:00:00.000');
});

test('reads the line of an address', () => {
  expect(lineOfHash('#L1234')).toBe(1234);
  expect(lineOfHash('#L')).toBeNull();
  expect(lineOfHash('#L12x')).toBeNull();
});
