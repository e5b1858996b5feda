import { expect, test } from 'vitest';
import { bytesText } from './bytesText';

const bytes = (...parts: (string | number)[]) =>
  Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : [part])),
  );

test('bytes that are no UTF-8 are read as Windows-1252, line by line', () => {
  expect(bytesText(bytes('caf', 0xe9, '\nnaïve\n'), false)).toBe('café\nnaïve\n');
  expect(bytesText(bytes('naïve\n'), false)).toBe('naïve\n');
  expect(bytesText(bytes(), false)).toBe('');
});

test('a letter that is cut off at the end is left out', () => {
  expect(bytesText(bytes('naï').subarray(0, 3), true)).toBe('na');
  // Of a whole file it is a letter of the other kind.
  expect(bytesText(bytes('caf', 0xe9), false)).toBe('café');
});
