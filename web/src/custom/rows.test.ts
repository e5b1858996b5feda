import { expect, test } from 'vitest';
import type { ChartAnswer } from '../data/chartData';
import { rowsOf, typeOf } from './rows';

const answer = (rows: ChartAnswer['rows'], columns: ChartAnswer['columns']): ChartAnswer => ({
  rows,
  columns,
  missing: [],
  truncated: null,
});
const WORDS = new Map([
  ['a', { name: 'one', color: '#112233' }],
  ['b', { name: 'one', color: '#112233' }],
]);

test('rows know how their run is called and coloured, each in another way', () => {
  const rows = rowsOf(
    answer(
      [
        { x: 1, _run: 'a', _name: 'one', _color: 3 },
        { x: 2, _run: 'b', _name: 'one', _color: 4 },
      ],
      [
        { name: 'x', kind: 'int' },
        { name: '_color', kind: 'int' },
      ],
    ),
    WORDS,
  );
  expect(
    rows.map(({ _name, name, id, _defaultColorIndex }) => [_name, name, id, _defaultColorIndex]),
  ).toEqual([
    ['one (a)', 'one (a)', 'a', 3],
    ['one (b)', 'one (b)', 'b', 4],
  ]);
  expect(rows.map(({ _color, color }) => [_color, color])).toEqual([
    ['#112233', '#112233'],
    ['#112233fe', '#112233fe'],
  ]);
});

test('a column that has a name of W&B keeps it', () => {
  const [row] = rowsOf(
    answer(
      [{ name: 'cat', id: 7, _run: 'a' }],
      [
        { name: 'name', kind: 'text' },
        { name: 'id', kind: 'int' },
      ],
    ),
    WORDS,
  );
  expect(row).toMatchObject({ name: 'cat', id: 7, _name: 'one (a)', color: '#112233' });
});

test('numbers that JSON has no word for are numbers', () => {
  const rows = [
    { x: 'NaN' },
    { x: 'Infinity' },
    { x: '-Infinity' },
    { x: null },
    { x: '18446744073709551616' },
  ];
  const found = rowsOf(answer(rows, [{ name: 'x', kind: 'float' }]), new Map());
  expect(found.map(({ x }) => x)).toEqual([NaN, Infinity, -Infinity, null, 2 ** 64]);
});

test('texts stay texts', () => {
  const [row] = rowsOf(answer([{ x: 'NaN' }], [{ name: 'x', kind: 'text' }]), new Map());
  expect(row?.['x']).toBe('NaN');
  expect([typeOf('text'), typeOf('time'), typeOf('float'), typeOf(undefined)]).toEqual([
    'nominal',
    'temporal',
    'quantitative',
    'quantitative',
  ]);
});
