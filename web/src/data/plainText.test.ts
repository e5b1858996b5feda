import { expect, test } from 'vitest';
import { plainText } from './plainText';

const bytes = (...parts: (string | number)[]) =>
  Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : [part])),
  );

test('bytes that are no UTF-8 are read as Windows-1252, line by line', () => {
  expect(plainText(bytes('caf', 0xe9, '\nnaïve\n'), false)).toBe('café\nnaïve\n');
  expect(plainText(bytes('naïve\n'), false)).toBe('naïve\n');
  expect(plainText(bytes(), false)).toBe('');
});

test('a letter that is cut off at the end is left out', () => {
  expect(plainText(bytes('naï').subarray(0, 3), true)).toBe('na');
  // Of a whole file it is a letter of the other kind.
  expect(plainText(bytes('caf', 0xe9), false)).toBe('café');
});
