import { expect, test } from 'vitest';
import { firstFault, unknownColumns } from './checks';

test.each([
  [{ mark: 'brr' }, '/mark', '"brr" is no mark'],
  [{ mark: { type: 5 } }, '/mark/type', '5 is no mark'],
  [{ mark: {} }, '/mark', 'Nothing is no mark'],
  [{ mark: 'bar', encoding: [] }, '/encoding', 'object'],
  [{ mark: 'bar', encoding: { x: { type: 'number' } } }, '/encoding/x/type', '"number" is no type'],
  [{ layer: {} }, '/layer', 'list of views'],
  [{ layer: [{ mark: 'bar' }, { mark: 'x' }] }, '/layer/1/mark', '"x"'],
  [{ facet: {}, spec: { hconcat: [7] } }, '/spec/hconcat/0', 'view is an object'],
])('finds what is wrong in %j', (spec, path, message) => {
  const found = firstFault(spec);
  expect(found?.path).toBe(path);
  expect(found?.message).toContain(message);
});

test('finds nothing where nothing is wrong', () => {
  const spec = {
    layer: [{ mark: 'bar' }, { mark: { type: 'line' }, encoding: { x: { field: 'a', type: 'nominal' } } }],
  };
  expect(firstFault(spec)).toBeNull();
});

test('names columns that are not there', () => {
  const spec = {
    transform: [{ calculate: '1', as: 'made' }],
    encoding: {
      x: { field: 'made' },
      y: { field: 'a\\.b' },
      color: { field: 'gone' },
      size: { field: 'in.cell' },
    },
  };
  expect(unknownColumns(spec, new Set(['a.b']))).toEqual([
    { message: 'There is no column “gone” in the rows', path: '/encoding/color/field' },
  ]);
  expect(unknownColumns({ ...spec, data: { url: 'x' } }, new Set())).toEqual([]);
  expect(unknownColumns({ ...spec, transform: [{ pivot: 'k', value: 'v' }] }, new Set())).toEqual([]);
});

test.each([
  [{ density: 'v' }, ['value', 'density']],
  [{ quantile: 'v' }, ['prob', 'value']],
])('knows what %j makes', (transform, names) => {
  const [x = '', y = ''] = names;
  const spec = { transform: [transform], encoding: { x: { field: x }, y: { field: y } } };
  expect(unknownColumns(spec, new Set(['v']))).toEqual([]);
  const named = { ...spec, transform: [{ ...transform, as: ['a', 'b'] }] };
  expect(unknownColumns(named, new Set(['v'])).length).toBe(2);
});
