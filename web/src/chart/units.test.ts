import { expect, test } from 'vitest';
import { formatUnit, unitTicks } from './units';

test('numbers say their unit, in the size that fits them', () => {
  expect(formatUnit(55, '%')).toBe('55%');
  expect(formatUnit(55.123, '%')).toBe('55.1%');
  expect(formatUnit(61, '°C')).toBe('61 °C');
  expect(formatUnit(80 * 2 ** 30, 'B')).toBe('80 GiB');
  expect(formatUnit(1536, 'MB')).toBe('1.5 GiB');
  expect(formatUnit(0.5, 'MB/s')).toBe('512 KiB/s');
  expect(formatUnit(1980, 'MHz')).toBe('1.98 GHz');
  expect(formatUnit(700, 'W')).toBe('700 W');
  expect(formatUnit(3399, 'B', 3)).toBe('3.32 KiB');
  expect(formatUnit(1023, 'B', 3)).toBe('1,023 B');
  expect(formatUnit(1e-10, 'W')).toBe('1.000e-10 W');
  expect(formatUnit(0, 'B/s')).toBe('0 B/s');
  expect(formatUnit(33, '')).toBe('33');
  expect(formatUnit(3, 'laps')).toBe('3 laps');
  expect(formatUnit(NaN, '%')).toBe('NaN');
});

test('ticks are round in the unit that is shown', () => {
  expect(unitTicks(0, 100, 4, '%').labels).toEqual(['0%', '50%', '100%']);
  const { at, labels } = unitTicks(0, 80 * 2 ** 30, 4, 'B');
  expect(labels).toEqual(['0 GiB', '20 GiB', '40 GiB', '60 GiB', '80 GiB']);
  expect(at[1]).toBe(20 * 2 ** 30);
  expect(unitTicks(0, 4096, 4, 'MB').labels.at(-1)).toBe('4 GiB');
});
