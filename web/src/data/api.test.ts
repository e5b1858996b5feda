import { expect, test } from 'vitest';
import { parseJson } from './api';

test('bare NaN and infinities become text, quoted text stays', () => {
  expect(parseJson('{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN \\" NaN","d":1}')).toEqual({
    a: 'NaN',
    b: ['-Infinity', 'Infinity'],
    c: 'NaN " NaN',
    d: 1,
  });
});
