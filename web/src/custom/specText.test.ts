import { expect, test } from 'vitest';
import { lineOfMessage, readSpec, SpecError } from './specText';

const wrong = (text: string): [number, string] => {
  try {
    readSpec(text);
  } catch (error) {
    if (error instanceof SpecError) return [error.line, error.message];
    throw error;
  }
  throw new Error('nothing is wrong');
};

test('reads what JSON.parse reads', () => {
  for (const value of [{}, [], null, { a: [1, -2.5e3, 'é"\\\n', true, { b: null }], '': 0 }]) {
    expect(readSpec(JSON.stringify(value)).value).toEqual(value);
    expect(readSpec(JSON.stringify(value, null, 2)).value).toEqual(value);
  }
});

test('a member __proto__ is data', () => {
  expect(Object.keys(readSpec('{"__proto__": {"x": 1}}').value as object)).toEqual(['__proto__']);
});

test.each([
  ['{\n  "mark": "bar",\n}', 3, 'comma stands before }'],
  ['{\n  "mark": "bar"\n  "title": 1\n}', 3, 'comma or } is missing before "title"'],
  ['{\n  "mark": bar\n}', 2, 'Unexpected bar'],
  ['{\n  mark: 1\n}', 2, 'Unexpected mark'],
  ['{\n  "mark" "bar"\n}', 2, 'colon is missing behind "mark"'],
  ['{\n  "mark": "ba\n}', 2, 'closing quote'],
  ['{\n  "a": [1,\n 2', 3, '] is missing at the end'],
  ['{\n  "a":', 2, 'ends too early'],
  ['', 1, 'ends too early'],
  ['{"a": "\\x"}', 1, 'escape'],
  ['{}\n\n{}', 3, 'behind the end'],
  ['[\n'.repeat(300), 202, 'Too many'],
])('says on which line %j is wrong', (text, line, message) => {
  const [where, what] = wrong(text);
  expect(where).toBe(line);
  expect(what).toContain(message);
});

test('knows the line of each place', () => {
  const { places } = readSpec('{"a": [\n1,\n{"b/c": 2}],\n"d": {}}');
  expect([...places]).toEqual([
    ['', 1],
    ['/a', 1],
    ['/a/0', 2],
    ['/a/1', 3],
    ['/a/1/b~1c', 3],
    ['/d', 4],
  ]);
});

test('finds the line that a message means', () => {
  const { linesOf } = readSpec('{\n "mark": "brr",\n "encoding": {\n  "x": {"type": "nominall"}}}');
  expect(lineOfMessage('Invalid mark type "brr".', linesOf)).toBe(2);
  expect(lineOfMessage('Invalid field type "nominall".', linesOf)).toBe(4);
  expect(lineOfMessage('Something "else".', linesOf)).toBeNull();
});
