import { expect, test } from 'vitest';
import type { LoggedChart } from '../data/chartData';
import { chartsOf, tableKeys } from './definitions';

/** As `steplog.plot.roc_curve`, logged under `k`, says it. */
const LOGGED: LoggedChart = {
  key: 'k',
  runs: ['a'],
  form: 'visualize',
  panel: {
    panel_type: 'Vega2',
    panel_config: {
      panelDefId: 'wandb/area-under-curve/v0',
      fieldSettings: { x: 'fpr', y: 'tpr', class: 'class' },
      stringSettings: { title: 'ROC', 'x-axis-title': 'False' },
      transform: { name: 'tableWithLeafColNames' },
      userQuery: {
        queryFields: [
          {
            name: 'runSets',
            args: [{ name: 'runSets', value: '${runSets}' }],
            fields: [
              { name: 'id', fields: [] },
              {
                name: 'summaryTable',
                args: [{ name: 'tableKey', value: 'Custom Chart Tables/k_table' }],
                fields: [],
              },
            ],
          },
        ],
      },
    },
  },
};

test('reads what a chart says of itself', () => {
  const [chart] = chartsOf([LOGGED], []);
  expect(chart).toMatchObject({
    key: 'k',
    runs: ['a'],
    preset: 'wandb/area-under-curve/v0',
    fields: { x: 'fpr', y: 'tpr', class: 'class' },
    strings: { title: 'ROC', 'x-axis-title': 'False' },
    query: { source: 'summaryTable', key: 'Custom Chart Tables/k_table' },
  });
});

test('reads the older form, and one that says nothing of its table', () => {
  const viz: LoggedChart = {
    key: 'old',
    runs: ['a'],
    form: 'viz',
    panel: { id: 'wandb/line/v0', historyFieldSettings: { 'x-axis': '_step', key: 'old' } },
  };
  const bare: LoggedChart = { key: 'bare', runs: [], form: 'visualize', panel: { panel_config: 5 } };
  const charts = chartsOf([viz, bare], []);
  expect(charts.map(({ key, preset, query }) => [key, preset, query.key])).toEqual([
    ['bare', '', 'bare_table'],
    ['old', 'wandb/line/v0', 'old'],
  ]);
});

test('what was saved comes first, what it cannot read stays as it was logged', () => {
  const saved = [
    { name: 'k', panel: { spec: { mark: 'bar' }, fields: {}, query: { source: 'history', keys: ['loss'] } } },
    { name: 'new', panel: { preset: 'mine', query: { source: 'runs', columns: ['name'] } } },
    { name: 'lost', panel: { query: { source: 'nowhere' } } },
  ];
  const charts = chartsOf([LOGGED], saved);
  expect(charts.map(({ key }) => key)).toEqual(['k', 'new']);
  expect(charts[0]).toMatchObject({ preset: null, spec: { mark: 'bar' }, runs: null });
  expect(charts[0]?.logged?.preset).toBe('wandb/area-under-curve/v0');
  expect(charts[1]).toMatchObject({ preset: 'mine', spec: null, logged: null });
});

test('a table is looked for as its chart calls it, and with its dots escaped', () => {
  expect(tableKeys({ source: 'summaryTable', key: 'a.b_table' })).toEqual(['a.b_table', 'a\\.b_table']);
  expect(tableKeys({ source: 'history' })).toEqual([]);
});
