import { expect, test } from 'vitest';
import { baseUrlToSet, keyIsAtHand } from './quickStart';

test('the default server needs no variable', () => {
  expect(baseUrlToSet('http://127.0.0.1:7837/')).toBe(null);
  expect(baseUrlToSet('http://localhost:7837/')).toBe(null);
});

test('any other server is named as the SDK wants it, with its prefix', () => {
  expect(baseUrlToSet('http://127.0.0.1:8000/')).toBe('http://127.0.0.1:8000');
  expect(baseUrlToSet('http://localhost:8000/')).toBe('http://127.0.0.1:8000');
  expect(baseUrlToSet('https://host/user/me/steplog/')).toBe('https://host/user/me/steplog');
});

test('the key is at hand on the same machine only', () => {
  expect(['http://127.0.0.1:7837/', 'http://[::1]:1/', 'http://gpu-3:7837/'].map(keyIsAtHand)).toEqual([
    true,
    true,
    false,
  ]);
});
