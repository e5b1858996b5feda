import { expect, test } from 'vitest';
import { regexHint } from './runSearch';

test.each([
  ...[
    '(',
    '(a',
    '(?',
    '(?i',
    '(?x',
    '(?:',
    '(?P<',
    '(?<n',
    '((a)',
    'a)',
    '[',
    '[a',
    '[]',
    '[^]',
    '[[]',
    '[a\\]',
  ],
  ...['a{', 'a{2', '*', '+a', '?', 'a|*', '(*)', '{2}', '(?i)*', '\\', 'a\\', '\\p', '\\x4', '\\u{', '[\\'],
  ...['(?=a)', '(?<!a)', '(a)\\1', '\\y', '\\Z', 'x'.repeat(1001)],
])('%s is no regex of the server', (text) => {
  expect(regexHint(text)).not.toBe(null);
});

test.each([
  ...['', 'a', 'a.b|c', '(?i)a', '(?i:a)', '(?P<n>a)', '(?<n>a)', '()*', '^*', 'a**', 'a{2}', 'a{2,}?', '}'],
  ...[']', '[]a]', '[^]a]', '[[:alpha:]]', '[a-z&&[^x]]', '[*+?({]', '\\[', '\\(', '\\d+', '[\\]]', '\\x41'],
  ...['\\x{1F600}', '\\b{start}', '\\-', '\\<', '(?x)a # (', '[!-[:a]', 'ü*'],
])('%s may be one', (text) => {
  expect(regexHint(text)).toBe(null);
});
