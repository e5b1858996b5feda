import { expect, test } from 'vitest';
import { firstFault } from './checks';
import { builtIn, PRESET_FIELDS, PRESETS, type Situation } from './presets';
import { asked, fill } from './template';

const situation = (name: string, part: Partial<Situation> = {}): Situation => ({
  several: false,
  fields: Object.fromEntries((PRESET_FIELDS[name] ?? []).map((field) => [field, `the ${field}`])),
  columns: [],
  rows: 10,
  ...part,
});

test.each(Object.keys(PRESETS))('%s has all fields that it asks for, of one run and of several', (name) => {
  for (const several of [false, true]) {
    const at = situation(name, { several });
    const spec = PRESETS[name]?.make(at) ?? {};
    expect(firstFault(spec)).toBeNull();
    expect(asked(fill(spec, { fields: at.fields, strings: {} })).fields).toEqual([]);
  }
});

test('a line tells of points only where they are marked', () => {
  const tooltip = (rows: number) =>
    JSON.stringify(PRESETS['wandb/line/v0']?.make(situation('wandb/line/v0', { rows }))['encoding']);
  expect(tooltip(300)).toMatch(/"tooltip":\[.*field:y/);
  expect(tooltip(301)).not.toMatch(/"tooltip":\[.*field:y/);
});

test('a name that every object has is no preset', () => {
  expect(builtIn('constructor')).toBeUndefined();
});
