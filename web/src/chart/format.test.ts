import { expect, test } from 'vitest';
import { Exact } from '../data/exactJson';
import {
  formatAgo,
  formatDuration,
  formatInstant,
  formatLogged,
  formatStep,
  formatSummary,
  formatValue,
  formatWhole,
} from './format';

test('values keep their significant digits', () => {
  expect(formatValue(1.02)).toBe('1.020');
  expect(formatValue(0.000123456)).toBe('0.0001235');
  expect(formatValue(-12.3456)).toBe('−12.35');
  expect(formatValue(48210)).toBe('48,210');
  expect(formatValue(1.5e-7)).toBe('1.500e-7');
  expect(formatValue(1.5e300)).toBe('1.500e300');
  expect([0, -0].map((value) => formatValue(value))).toEqual(['0', '−0']);
});

test('NaN and infinities are named', () => {
  expect([NaN, Infinity, -Infinity].map((value) => formatValue(value))).toEqual(['NaN', '+∞', '−∞']);
});

test('a narrow column gets a power of ten instead of a long integer', () => {
  expect([12345678, 123456789].map((value) => formatValue(value, 4, 1e8))).toEqual(['12,345,678', '1.235e8']);
});

test('steps are written out, or said to be about', () => {
  expect(formatWhole(new Exact('4611686018427387904'))).toBe('4,611,686,018,427,387,904');
  expect([formatWhole(1234), formatStep(1234.4)]).toEqual(['1,234', '1,234']);
  expect(formatStep(2 ** 62)).toBe('≈ 4.611686018427388e18');
});

test('a table shows what was logged, or says that it left something out', () => {
  const texts: [unknown, string][] = [
    [3e-4, '0.0003'],
    [1234567.891, '1234567.891'],
    [1700000123.456, '1700000123.456'],
    [new Exact('9007199254740993'), '9007199254740993'],
    [new Exact('1.0'), '1.0'],
    [new Exact('-0.0'), '-0.0'],
    [0.1 + 0.2, '0.300000000000…'],
    [-2 / 3, '-0.666666666666…'],
    [0.00012345678901234567, '0.000123456789012…'],
    [12345678901234.125, '12345678901234.1…'],
    [new Exact('1.2345678901234567e-300'), '1.23456789012…e-300'],
    ['0.12345678901234567890', '0.12345678901234567890'],
    [[new Exact('1.0'), 'NaN'], '[1.0,"NaN"]'],
    [null, 'null'],
  ];
  expect(texts.map(([value]) => formatLogged(value))).toEqual(texts.map(([, text]) => text));
});

test('times of a summary read as times', () => {
  expect(formatSummary(1700000123.456, ['_timestamp'])).toBe(formatInstant(1700000123.456));
  expect(formatSummary(1e300, ['_timestamp'])).toBe('1e+300');
  expect(formatSummary(new Exact('200.0'), ['_runtime'])).toBe('3m 20s');
  expect(formatSummary(200.5, ['eval', '_runtime'])).toBe('200.5');
  expect(formatSummary('soon', ['_timestamp'])).toBe('soon');
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
  expect([0, 0.000282857].map(formatDuration)).toEqual(['0.0s', '0.28ms']);
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
