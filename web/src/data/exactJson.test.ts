import { expect, test } from 'vitest';
import { Exact, exactText, numberOf, parseExact } from './exactJson';

const run = (config: string) => (parseExact(`{"config": {"v": ${config}}}`) as Run).config.v;
interface Run {
  config: { v: unknown };
}

test.each([
  ...['9007199254740993', '9223372036854775807', '-9223372036854775808', '1.0', '-0.0', '1e300', '5e-324'],
  ...['1234567.891', '1700000123.456', '0.30000000000000004', '3', 'true', 'null'],
  ...['[1.0,[9007199254740993],"a\\"b, ]:"]', '{"a":{"b":-0.0},"":[]}'],
])('%s of a config is read and written without loss', (text) => {
  expect(exactText(run(text))).toBe(text);
});

test('what a number holds stays a number', () => {
  expect(run('[0.1, 3, -7]')).toEqual([0.1, 3, -7]);
  expect(run('1.0')).toEqual(new Exact('1.0'));
  expect([run('1.0'), run('9007199254740993'), 2, 'NaN'].map(numberOf)).toEqual([1, 2 ** 53, 2, null]);
});

test('only what people logged is exact, columns of it too', () => {
  expect(
    parseExact('{"created": 17.0, "cols": {"created": [1.0], "summary.loss": [1.0, null, "NaN"]}}'),
  ).toEqual({ created: 17, cols: { created: [1], 'summary.loss': [new Exact('1.0'), null, 'NaN'] } });
});

test('the last step of a run is exact', () => {
  const read = (step: string) => (parseExact(`{"last_step": ${step}}`) as { last_step: unknown }).last_step;
  expect(read('4611686018427387904')).toEqual(new Exact('4611686018427387904'));
  expect(read('12')).toBe(12);
});

test('reads what JSON.parse reads', () => {
  const text = JSON.stringify(
    { a: [[], {}, '\u2028\\"', '__proto__', 1e21], b: { c: null }, '"': ' ' },
    null,
    2,
  );
  expect(parseExact(text)).toEqual(JSON.parse(text));
  expect(Object.keys(parseExact('{"__proto__": 1}') as object)).toEqual(['__proto__']);
});

test.each(['', '{"a": [1, 2', '{"a"', '[1] 2', '{"a": nul}'])('refuses %j', (text) => {
  expect(() => parseExact(text)).toThrow(SyntaxError);
});
