import { expect, test } from 'vitest';
import type { ChartAnswer } from '../data/chartData';
import type { ChartLook } from './definitions';
import { openFields, resolve } from './resolve';

const ANSWER: ChartAnswer = {
  rows: [{ a: 1, _run: 'r', _step: 0 }],
  columns: [{ name: 'a', kind: 'int' }],
  missing: [],
  truncated: null,
};
const look = (part: Partial<ChartLook>): ChartLook => ({
  preset: 'wandb/line/v0',
  spec: null,
  fields: {},
  strings: {},
  query: { source: 'summaryTable', key: 'k' },
  ...part,
});
const titleOf = (part: Partial<ChartLook>, answer = ANSWER) => {
  const found = resolve(look(part), answer, () => 'unknown');
  return found.kind === 'problem' ? found.title : found.kind;
};

test('says which column is not there', () => {
  expect(titleOf({ fields: { x: 'nope', y: 'a' } })).toBe('There is no column “nope”');
  expect(titleOf({ fields: { x: 'no', y: 'neither' } })).toBe('There are no columns “no”, “neither”');
  expect(titleOf({ fields: { x: 'a', y: 'a', stroke: 'toString' } })).toBe('There is no column “toString”');
  expect(titleOf({ fields: { x: '_step', y: 'a', stroke: 'name' } })).toBe('spec');
  expect(titleOf({ fields: { x: 'nope', y: 'a' } }, { ...ANSWER, rows: [] })).toBe('spec');
});

test('a column that the specification makes is there', () => {
  const spec = {
    transform: [{ calculate: '1', as: 'made' }],
    mark: 'bar',
    encoding: { x: { field: '${field:x}' } },
  };
  expect(titleOf({ preset: null, spec, fields: { x: 'made' } })).toBe('spec');
  expect(titleOf({ preset: null, spec, fields: { x: 'other' } })).toBe('There is no column “other”');
});

test('a column that is called like a template is one', () => {
  const spec = { mark: 'bar', encoding: { x: { field: '${field:x}' } } };
  expect(openFields(spec, { x: '${field:y}' })).toBeNull();
  expect(openFields(spec, {})).toBe('The field “x” has no column');
});

test('a preset that is not there is kept under its name, but for names of the built-in ones', () => {
  const detailOf = (preset: string) => JSON.stringify(resolve(look({ preset }), ANSWER, () => 'unknown'));
  expect(detailOf('team/boxes')).toContain('save it as a preset under this name');
  expect(detailOf('wandb/none/v9')).toContain('use it in this panel');
  expect(detailOf('wandb/none/v9')).not.toContain('save');
});
