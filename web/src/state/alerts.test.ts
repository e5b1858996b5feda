import { expect, test } from 'vitest';
import { alertKind, newAlerts, worstKind } from './alerts';

const alert = (title: string, level = 'INFO', time = 1) => ({ title, text: '', level, time });

test('new alerts come in the order in which they were told', () => {
  const before = [alert('a')];
  expect(newAlerts(before, [alert('c', 'INFO', 3), alert('b', 'INFO', 2), alert('a')])).toEqual([
    alert('b', 'INFO', 2),
    alert('c', 'INFO', 3),
  ]);
  expect(newAlerts(before, [alert('a', 'INFO', 9), alert('a', 'INFO', 9), alert('a')])).toEqual([
    alert('a', 'INFO', 9),
  ]);
});

test('the most urgent kind counts; an unknown level is an information', () => {
  expect(worstKind([alert('a'), alert('b', 'WARN'), alert('c', 'odd')])).toBe('warn');
  expect(alertKind({ level: 'error' })).toBe('error');
  expect(worstKind([])).toBeNull();
});
