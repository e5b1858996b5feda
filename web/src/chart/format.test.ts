import { expect, test } from 'vitest';
import { formatAgo, formatAny, formatDuration, formatValue } from './format';

test('values keep their significant digits', () => {
  expect(formatValue(1.02)).toBe('1.020');
  expect(formatValue(0.000123456)).toBe('0.0001235');
  expect(formatValue(-12.3456)).toBe('−12.35');
  expect(formatValue(48210)).toBe('48,210');
  expect(formatValue(1.5e-7)).toBe('1.500e-7');
  expect(formatValue(1.5e300)).toBe('1.500e300');
  expect(formatValue(0)).toBe('0');
});

test('NaN and infinities are named', () => {
  expect([NaN, Infinity, -Infinity].map((value) => formatValue(value))).toEqual(['NaN', '+∞', '−∞']);
});

test('any value has a text', () => {
  expect([null, 'a', true, [1, 2], { a: 1 }].map(formatAny)).toEqual([
    'null',
    'a',
    'true',
    '[1,2]',
    '{"a":1}',
  ]);
});

test('numbers of a config are as they were written', () => {
  expect([3e-4, 1234, 0.1, 1e-8, 1.0234567891].map(formatAny)).toEqual([
    '0.0003',
    '1234',
    '0.1',
    '1e-8',
    '1.02346',
  ]);
});

test('durations take two units', () => {
  expect([4.21, 59, 200, 8045, 90000].map(formatDuration)).toEqual([
    '4.2s',
    '59s',
    '3m 20s',
    '2h 14m',
    '1d 1h',
  ]);
  expect(formatDuration(NaN)).toBe('–');
});

test('ages are coarse', () => {
  expect([2, 30, 125, 7300, 200000].map((age) => formatAgo(1e6 - age, 1e6))).toEqual([
    'just now',
    '30 s ago',
    '2 min ago',
    '2 h ago',
    '2 d ago',
  ]);
});
