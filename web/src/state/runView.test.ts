import { expect, test } from 'vitest';
import { decodeRunView, encodeRunView, type RunView } from './runView';
import { decodeView, encodeView } from './urlState';

const full: RunView = {
  tab: 'system',
  systemX: 'wall',
  systemZoom: [1, 2e12],
  systemFolds: ['Disk', 'a,b'],
  devices: ['gpu.3'],
  panel: 'gpu.3.gpu',
  logSearch: '/a|b/',
  logCase: true,
  logStream: 'err',
  logLevel: 'warn',
  logLabel: 'rank 1',
  logTime: 'clock',
  logWrap: true,
  at: { step: 48, wall: 1764286612123.25 },
  file: 'abc/code/train.py',
};

test('an address without a tab shows the charts', () => {
  expect(decodeRunView('?q=loss').tab).toBe('charts');
  expect(decodeRunView('?tab=moon').tab).toBe('charts');
  expect(encodeRunView(decodeRunView('?tab=charts'))).toBe('');
});

test('every state survives the round trip', () => {
  expect(decodeRunView(encodeRunView(full))).toEqual(full);
});

test('the charts and the tabs leave each other’s parameters alone', () => {
  const both = encodeRunView(full, '?q=loss&x=wall&z=1:2');
  expect(decodeView(both)).toMatchObject({ search: 'loss', x: 'wall', zoom: [1, 2] });
  expect(decodeRunView(encodeView({ ...decodeView(both), search: 'acc' }, both))).toEqual(full);
});
