/**
 * Checks custom charts on a run's page and in the workspace, and their editor.
 *
 *   node e2e/charts.mjs BASE_URL LOGIN_LINK ENTITY PROJECT [SHOTS_FOLDER]
 *
 * The project has the runs `first` and `second` that tests/e2e/test_browser_charts.py logs.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { check, openSession, overflowOf, staysAt } from './session.mjs';

const [base, login, entity, project, shots] = process.argv.slice(2);
if (!project) {
  console.error('usage: node e2e/charts.mjs BASE_URL LOGIN_LINK ENTITY PROJECT [SHOTS_FOLDER]');
  process.exit(2);
}
const root = `${base}/p/${encodeURIComponent(entity)}/${encodeURIComponent(project)}`;
const FOREIGN = 'https://foreign.example/rows.json';
const asked = [];

const session = await openSession({ colorScheme: 'light' });
const { context, page, faults } = session;
await context.exposeFunction('tellFault', (text) => faults.push(text));
await context.addInitScript(() =>
  addEventListener('securitypolicyviolation', (event) =>
    window.tellFault(`${event.violatedDirective} refused ${event.blockedURI}`),
  ),
);
page.setDefaultTimeout(60_000);
staysAt(base, session);
page.on('request', (request) => asked.push(request.url()));

const id = (name, within = page) => within.locator(`[data-testid=${name}]`);
const panel = (key) => page.locator(`[data-testid=custom-chart][data-key="${key}"]`);
const drawing = (key) => panel(key).locator('[data-testid=vega][data-status=ready]');
const editor = id('chart-editor');
const preview = editor.locator('[data-testid=vega][data-status=ready]');

/** The names of what a chart has drawn with how many items, the titles of its axes, and the colours of its marks. */
const look = (locator) =>
  locator.evaluate((figure) => {
    const found = { marks: {}, titles: [], colors: [], texts: [], points: [] };
    const visit = (item, role) => {
      if (item.marktype) {
        const of = item.role === 'mark' ? item.marktype : role;
        if (item.role === 'mark' && item.marktype !== 'group') {
          found.marks[of] = (found.marks[of] ?? 0) + item.items.length;
          for (const one of item.items) {
            found.colors.push(one.fill ?? one.stroke);
            if (item.marktype === 'text') found.texts.push(one.text);
            if (item.marktype === 'line') found.points.push([one.x, one.y]);
          }
        }
        if (item.role === 'axis-title' || item.role === 'title-text')
          found.titles.push(...item.items.map((one) => one.text));
        for (const one of item.items) visit(one, of);
      } else for (const one of item.items ?? []) visit(one, role);
    };
    visit(figure.vegaView.scenegraph().root, '');
    return { ...found, titles: found.titles.filter(Boolean).sort(), colors: [...new Set(found.colors)] };
  });

async function shown(key) {
  await panel(key).scrollIntoViewIfNeeded();
  await drawing(key).waitFor();
  return await look(drawing(key));
}
/** Waits until the preview has drawn this: until then it shows what was there before. */
async function previewed(wanted) {
  let found;
  for (let i = 0; i < 200; i++) {
    await preview.waitFor();
    const all = await look(preview);
    found = Object.fromEntries(Object.keys(wanted).map((name) => [name, all[name]]));
    if (JSON.stringify(found) === JSON.stringify(wanted)) return all;
    await page.waitForTimeout(50);
  }
  return assert.deepEqual(found, wanted);
}
async function shot(name) {
  if (!shots) return;
  await mkdir(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `charts-${name}.png`) });
}
const folded = `${root}/r/first?fold=${encodeURIComponent('Custom charts')}`;
const write = async (text) => {
  await id('spec-text').fill(typeof text === 'string' ? text : JSON.stringify(text, null, 2));
};
async function wrong(line, message) {
  await page.waitForFunction(
    ([at, pattern]) => {
      const said = document.querySelector('[data-testid=spec-problem]');
      return said?.dataset.line === String(at) && new RegExp(pattern).test(said.textContent);
    },
    [line, message],
  );
}
const edit = async (key) => {
  await panel(key).scrollIntoViewIfNeeded();
  await page.getByRole('button', { name: `Edit chart ${key}`, exact: true }).click();
  await editor.waitFor();
};
const close = async ({ asks } = { asks: true }) => {
  await page.keyboard.press('Escape');
  if (asks) await id('editor-discard').click();
  await editor.waitFor({ state: 'detached' });
};
const BOXES = {
  title: '${string:title}',
  mark: 'boxplot',
  encoding: {
    x: { field: '${field:group}', type: 'nominal', title: 'group' },
    y: { field: '${field:value}', type: 'quantitative', title: 'value' },
  },
};

const steps = {
  async 'loads Vega only where a chart is seen'() {
    await page.goto(folded);
    await page.locator('[data-testid=section][data-section="Custom charts"]').waitFor();
    await page.waitForLoadState('networkidle');
    assert.deepEqual(
      asked.filter((url) => /vegaChart|ChartEditor/.test(url)),
      [],
    );
    await page.locator('[data-section="Custom charts"] h2 button').click();
    await drawing('bar').waitFor();
    assert.equal(asked.filter((url) => /vegaChart.*js$/.test(url)).length, 1);
  },
  async 'draws the seven presets from what was logged'() {
    const expected = {
      line: [{ line: 40, symbol: 40 }, ['Loss by kind', 'loss.all', 'step']],
      scatter: [{ symbol: 30 }, ['acc', 'latency ms']],
      bar: [{ rect: 3 }, ['Counts', 'class', 'n']],
      histogram: [{ rect: 10 }, ['rows', 'score']],
      series: [{ line: 10, symbol: 10 }, ['round', 'value']],
    };
    for (const [key, [marks, titles]] of Object.entries(expected)) {
      const found = await shown(key);
      assert.deepEqual([found.marks, found.titles], [marks, titles], key);
    }
    const matrix = await shown('confusion');
    assert.deepEqual(matrix.marks, { rect: 9, text: 9 });
    assert.deepEqual(matrix.titles, ['Actual', 'Confusion Matrix Curve', 'Predicted']);
    assert.equal(
      matrix.texts.reduce((sum, text) => sum + Number(text), 0),
      120,
    );
    const roc = await shown('eval.roc');
    const rows = Number(await panel('eval.roc').getAttribute('data-rows'));
    assert.deepEqual(roc.titles, ['False positive rate', 'ROC Curve', 'True positive rate']);
    assert.deepEqual(roc.marks, { line: rows, symbol: rows });
    assert.equal(roc.colors.length, 3, 'a colour for each class');
    const pr = await shown('eval.pr');
    assert.deepEqual(pr.marks, { line: 63, symbol: 63 });
    assert.deepEqual(pr.titles, ['Precision', 'Precision-Recall Curve', 'Recall']);
    await shot('presets-light');
  },
  async 'says in words what a chart shows, to whoever comes by the keyboard'() {
    assert.equal(await drawing('bar').getAttribute('aria-label'), 'Counts: bar chart, 3 rows of 1 run');
    await page.getByRole('button', { name: 'Edit chart bar', exact: true }).focus();
    await page.keyboard.press('Tab');
    assert.ok(await drawing('bar').evaluate((figure) => figure === document.activeElement));
  },
  async 'shows the step that is chosen, and says so in the address'() {
    const heights = () =>
      drawing('bar').evaluate((figure) => figure.vegaView.data('wandb').map((row) => row.n));
    assert.deepEqual(await heights(), [14, 30, 7]);
    await panel('bar').getByRole('button', { name: 'Previous step' }).click();
    await page.waitForFunction(
      () => document.querySelector('[data-key=bar] [data-testid=vega]')?.vegaView?.data('wandb')[0]?.n === 13,
    );
    assert.equal(new URL(page.url()).searchParams.get('mk'), 'bar_table:1');
    await page.reload();
    await drawing('bar').waitFor();
    assert.deepEqual(await heights(), [13, 30, 7]);
    await panel('bar').getByRole('button', { name: 'latest' }).click();
    await page.waitForFunction(
      () => document.querySelector('[data-key=bar] [data-testid=vega]')?.vegaView?.data('wandb')[0]?.n === 14,
    );
  },
  async 'goes with the theme'() {
    const light = await shown('scatter');
    await page.emulateMedia({ colorScheme: 'dark' });
    await panel('scatter').locator('[data-theme-drawn=dark][data-status=ready]').waitFor();
    const dark = await shown('scatter');
    assert.deepEqual(dark.marks, light.marks);
    assert.notDeepEqual(dark.colors, light.colors);
    await shot('presets-dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await panel('scatter').locator('[data-theme-drawn=light][data-status=ready]').waitFor();
  },
  async 'goes with the size of its panel'() {
    const width = () => drawing('bar').evaluate((figure) => figure.querySelector('canvas').clientWidth);
    await shown('bar');
    const wide = await width();
    await page.setViewportSize({ width: 360, height: 740 });
    await page.waitForFunction(() => {
      const figure = document.querySelector('[data-key=bar] [data-testid=vega]');
      return figure.querySelector('canvas').clientWidth <= figure.clientWidth;
    });
    assert.ok((await width()) < wide);
    const overflow = await overflowOf(page);
    assert.equal(overflow, 0);
    await shot('narrow');
    await page.setViewportSize({ width: 1440, height: 900 });
  },
  async 'lays runs over one another in their colours, and takes away one that is hidden'() {
    await page.goto(`${root}/workspace`);
    const both = await shown('bar');
    assert.deepEqual(both.marks, { rect: 6 });
    const swatches = await page.evaluate(() =>
      document
        .querySelector('[data-key=bar] [data-testid=vega]')
        .vegaView.data('wandb')
        .map((row) => row._color),
    );
    assert.deepEqual(new Set(both.colors), new Set(swatches));
    assert.equal(new Set(swatches).size, 2);
    const lines = await shown('line');
    assert.deepEqual(lines.marks, { line: 80, symbol: 80 });
    const matrices = await shown('confusion');
    assert.deepEqual(matrices.marks, { rect: 18, text: 18 });
    await shot('workspace');
    await page.goto(`${root}/workspace?sel=second`);
    const one = await shown('bar');
    assert.deepEqual(one.marks, { rect: 3 });
    assert.deepEqual(
      await drawing('bar').evaluate((figure) => figure.vegaView.data('wandb').map((row) => row._run)),
      ['second', 'second', 'second'],
    );
  },
  async 'colours by run what is made of the rows'() {
    await page.goto(`${root}/workspace`);
    const runs = new Set((await shown('bar')).colors);
    assert.equal(runs.size, 2);
    const color = { field: 'name', type: 'nominal', scale: { range: { field: 'color' } } };
    const quantitative = (field) => ({ field, type: 'quantitative' });
    await edit('bar');
    await preview.waitFor();
    await write({ mark: 'boxplot', encoding: { x: { field: 'name' }, y: quantitative('n'), color } });
    const boxes = await previewed({ titles: ['n', 'name'] });
    for (const one of runs) assert.ok(boxes.colors.includes(one), `${one} of ${boxes.colors}`);
    await shot('boxes-by-run');
    await write({
      transform: [{ density: 'n', groupby: ['name'], steps: 20 }],
      mark: 'line',
      encoding: { x: quantitative('value'), y: quantitative('density'), color },
    });
    const lines = await previewed({ titles: ['density', 'value'] });
    assert.deepEqual(new Set(lines.colors), runs);
    assert.equal(await id('spec-remark').count(), 0);
    await close();
  },
  async 'says what to do where a preset is not there, and draws it once it is'() {
    await page.goto(`${root}/r/first`);
    await panel('mine').scrollIntoViewIfNeeded();
    await panel('mine').getByText('There is no preset “team/boxes”').waitFor();
    await panel('mine').locator('.notice').getByRole('button', { name: 'Edit chart' }).click();
    await write(BOXES);
    await preview.waitFor();
    assert.deepEqual(
      await id('map-field').evaluateAll((all) => all.map((one) => [one.dataset.field, one.value])),
      [
        ['group', 'g'],
        ['value', 'v'],
      ],
    );
    assert.equal(await id('preset-name').inputValue(), 'team/boxes');
    await shot('editor');
    await id('save-preset').click();
    await id('editor-note').getByText('Kept as the preset').waitFor();
    await close({ asks: false });
    const boxes = await shown('mine');
    assert.deepEqual(boxes.titles, ['Boxes', 'group', 'value']);
    await page.goto(`${root}/workspace`);
    assert.ok((await shown('mine')).marks.rect >= 2, 'in the project, for everybody');
  },
  async 'says on which line a specification is wrong, and nothing else breaks'() {
    await page.goto(`${root}/r/first`);
    await shown('bar');
    await edit('bar');
    await preview.waitFor();
    await write('{\n  "mark": "bar",\n  "encoding": {\n    "x": {"field": "class"},\n  }\n}');
    await wrong(5, 'comma');
    await write('{\n  "encoding": {},\n  "mark": "brr"\n}');
    await wrong(3, 'brr');
    await write(
      '{\n  "transform": [\n    {"filter": "datum.n >"}\n  ],\n  "mark": "bar",\n  "encoding": {"x": {"field": "n"}}\n}',
    );
    await wrong(3, 'datum.n > cannot be read');
    await shot('wrong');
    await write('[1]');
    await wrong(1, 'object');
    // What is put right is drawn.
    await write({ mark: 'point', encoding: { x: { field: 'n', type: 'quantitative' } } });
    await previewed({ marks: { symbol: 3 } });
    await close();
    assert.deepEqual((await shown('bar')).marks, { rect: 3 }, 'the panel is as it was');
  },
  async 'draws columns whose names Vega-Lite takes apart'() {
    const bar = await shown('odd.bar');
    assert.deepEqual([bar.marks, bar.titles], [{ rect: 2 }, ["it's", 'l']]);
    const line = await shown('odd.line');
    assert.deepEqual([line.marks, line.titles], [{ line: 3, symbol: 3 }, ['5" disk', 'back\\slash']]);
    assert.equal(new Set(line.points.map(([, y]) => y)).size, 3);
    const histogram = await shown('odd.histogram');
    assert.deepEqual([histogram.marks, histogram.titles], [{ rect: 2 }, ['a\nb', 'rows']]);
    await drawing('odd.bar').hover({ position: { x: 200, y: 200 } });
    await page.locator('#vg-tooltip-element.visible').getByText("it's").waitFor();
    await page.mouse.move(0, 0);
    await shot('odd-light');
    await page.emulateMedia({ colorScheme: 'dark' });
    await panel('odd.matrix').scrollIntoViewIfNeeded();
    await panel('odd.matrix').locator('[data-theme-drawn=dark][data-status=ready]').waitFor();
    await shot('odd-dark');
    await page.emulateMedia({ colorScheme: 'light' });
  },
  async 'numbers of a matrix are in the colour that can be read on their cell'() {
    const found = await shown('odd.matrix');
    assert.deepEqual(found.titles, ['Act"ual', "Pred'd"]);
    const dark = (text) =>
      drawing('odd.matrix').evaluate((figure, wanted) => {
        const items = [];
        const visit = (item) => {
          if (item.text === wanted && item.mark.marktype === 'text' && item.mark.role === 'mark')
            items.push(item.fill);
          for (const one of item.items ?? []) visit(one);
        };
        visit(figure.vegaView.scenegraph().root);
        return items[0];
      }, text);
    // The scale goes from 0 to 100: 60 is beyond its middle, though it is not halfway between the numbers.
    assert.equal(await dark('60'), await dark('100'));
    assert.equal(await dark('40'), await dark('30'));
    assert.notEqual(await dark('40'), await dark('60'));
  },
  async 'says which column or number is not there, and what to do about a preset of all projects'() {
    await panel('odd.lost').scrollIntoViewIfNeeded();
    await panel('odd.lost').getByText('There is no column “nope”').waitFor();
    assert.deepEqual((await shown('odd.holes')).marks, { symbol: 2 });
    assert.equal((await id('left-out', panel('odd.holes')).innerText()).trim(), '3 rows left out: no number');
    assert.match(await drawing('odd.holes').getAttribute('aria-label'), /, 3 rows left out: no number$/);
    await panel('odd.strange').scrollIntoViewIfNeeded();
    await panel('odd.strange').getByText('use it in this panel').waitFor();
    await edit('odd.strange');
    assert.equal(await id('preset-name').inputValue(), 'odd.strange');
    await write({ mark: 'point' });
    await preview.waitFor();
    await id('preset-name').fill('wandb/mine');
    assert.ok(await id('save-preset').isDisabled());
    await close();
  },
  async 'makes no more values than it can, and says at which line'() {
    await edit('bar');
    await preview.waitFor();
    await write(
      '{\n  "transform": [\n    {"calculate": "sequence(100000000)", "as": "many"}\n  ],\n  "mark": "bar"\n}',
    );
    await wrong(3, 'sequence makes 100,000,000 values');
    await write('{\n  "mark": "point",\n  "data": {\n    "sequence": {"start": 0, "stop": 1e9}\n  }\n}');
    await wrong(4, 'sequence makes 1,000,000,000 values');
    const x = '"field": "n", "type": "quantitative"';
    await write(
      `{\n  "mark": "bar",\n  "encoding": {\n    "x": {\n      ${x},\n      "bin": {"step": 1e-9}\n    }\n  }\n}`,
    );
    await wrong(6, 'bin makes [0-9,]+ values');
    await write('{\n  "mark": "point",\n  "data": {\n    "sequence": {"start": 0, "stop": 1e9}\n  }\n}');
    await wrong(4, 'sequence makes 1,000,000,000 values');
    // Somebody's that is kept stops the page as little.
    await id('use-chart').click();
    await editor.waitFor({ state: 'detached' });
    await panel('bar').getByText('sequence makes 1,000,000,000 values').waitFor();
    await edit('bar');
    await id('chart-reset').click();
    await editor.waitFor({ state: 'detached' });
    assert.deepEqual((await shown('bar')).marks, { rect: 3 });
  },
  async 'asks before it discards what was changed'() {
    await edit('bar');
    await preview.waitFor();
    await close({ asks: false });
    await edit('bar');
    await preview.waitFor();
    await write({ mark: 'point' });
    await page.keyboard.press('Escape');
    await id('editor-asks').waitFor();
    await shot('asks');
    await page.keyboard.press('Escape');
    await id('editor-asks').waitFor({ state: 'detached' });
    assert.match(await id('spec-text').inputValue(), /point/);
    await editor.getByRole('button', { name: 'Close' }).click();
    await id('editor-keep').click();
    await id('editor-asks').waitFor({ state: 'detached' });
    await close();
    assert.deepEqual((await shown('bar')).marks, { rect: 3 });
  },
  async 'fetches nothing that a specification names'() {
    await edit('scatter');
    await preview.waitFor();
    const before = asked.length;
    await write({
      data: { url: FOREIGN },
      mark: 'point',
      encoding: { x: { field: 'x', type: 'quantitative' } },
    });
    await id('spec-remark').getByText('is not loaded').waitFor();
    await write({
      $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
      usermeta: { embedOptions: { config: FOREIGN, patch: FOREIGN, loader: { http: {} }, ast: false } },
      data: { name: 'wandb' },
      mark: { type: 'image', url: `${base}/api/v1/session`, width: 10, height: 10, href: FOREIGN },
      encoding: { x: { field: 'acc', type: 'quantitative' }, tooltip: { value: { image: FOREIGN } } },
    });
    await preview.waitFor();
    await page.waitForFunction(() =>
      document
        .querySelector('[data-testid=chart-editor] [data-testid=vega]')
        .vegaView.scenegraph()
        .root.items[0].items.some(({ marktype }) => marktype === 'image'),
    );
    await preview.hover();
    await page.waitForLoadState('networkidle');
    assert.deepEqual(
      asked.slice(before).filter((url) => /foreign|session|schema/.test(url)),
      [],
    );
    await close();
  },
  async 'draws a specification of W&B as it is'() {
    await edit('line');
    await write({
      $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
      description: 'of the form that W&B gives',
      data: { name: 'wandb' },
      title: '${string:title}',
      mark: { type: 'line', tooltip: true },
      encoding: {
        x: { field: '${field:x}', type: 'quantitative' },
        y: { field: '${field:y}', type: 'quantitative' },
        color: { field: 'name', type: 'nominal', scale: { range: { field: 'color' } } },
        strokeDash: { field: '${field:stroke}', type: 'nominal' },
      },
    });
    const found = await previewed({ marks: { line: 40 } });
    assert.ok(found.titles.includes('Loss by kind'));
    await close();
  },
  async 'draws a specification of Vega'() {
    await edit('bar');
    await write({
      $schema: 'https://vega.github.io/schema/vega/v6.json',
      data: [{ name: 'wandb' }],
      scales: [
        { name: 'x', type: 'band', range: 'width', domain: { data: 'wandb', field: 'class' } },
        { name: 'y', range: 'height', domain: { data: 'wandb', field: 'n' } },
      ],
      marks: [
        {
          type: 'rect',
          from: { data: 'wandb' },
          encode: {
            update: {
              x: { scale: 'x', field: 'class' },
              width: { scale: 'x', band: 1 },
              y: { scale: 'y', field: 'n' },
              y2: { scale: 'y', value: 0 },
              fill: { signal: "datum.n > 20 ? '#ff0000' : '#00ff00'" },
            },
          },
        },
      ],
    });
    await previewed({ marks: { rect: 3 }, colors: ['#00ff00', '#ff0000'] });
    await close();
  },
  async 'asks for other rows, and maps fields to their columns'() {
    await edit('scatter');
    await id('query-source').selectOption('history');
    await id('query-keys').fill('loss');
    await id('query-keys').blur();
    await page.locator('[data-testid=map-field][data-field=x]').selectOption('_step');
    await page.locator('[data-testid=map-field][data-field=y]').selectOption('loss');
    await page.waitForFunction(() => {
      const figure = document.querySelector('[data-testid=chart-editor] [data-testid=vega]');
      return figure?.dataset.status === 'ready' && figure.vegaView?.data('wandb').length === 3;
    });
    assert.deepEqual((await look(preview)).titles, ['_step', 'loss']);
    await id('editor-data').click();
    assert.equal(await id('chart-rows').locator('tbody tr').count(), 3);
    assert.equal((await id('rows-count').innerText()).trim(), '3 rows');
    await shot('data');
    await id('use-chart').click();
    await editor.waitFor({ state: 'detached' });
    await page.reload();
    assert.deepEqual((await shown('scatter')).titles, ['_step', 'loss']);
    await edit('scatter');
    await id('chart-reset').click();
    await editor.waitFor({ state: 'detached' });
    await page.waitForFunction(() => document.querySelector('[data-key=scatter]')?.dataset.rows === '30');
    assert.deepEqual((await shown('scatter')).titles, ['acc', 'latency ms']);
  },
  async 'says what the server says of a query'() {
    await edit('bar');
    await id('query-where').fill('nothing > 1');
    await id('query-where').blur();
    await id('query-problem').getByText('nothing').waitFor();
    faults.splice(0, faults.length, ...faults.filter((text) => !/status of 400/.test(text)));
    await id('query-where').fill('n > 10');
    await id('query-where').blur();
    await page.waitForFunction(
      () =>
        document.querySelector('[data-testid=chart-editor] [data-testid=vega]')?.vegaView?.data('wandb')
          .length === 2,
    );
    await close();
  },
  async 'makes a chart of several runs anew'() {
    await page.goto(`${root}/workspace`);
    await id('add-chart').click();
    await id('chart-name').fill('final loss');
    await id('query-source').selectOption('runs');
    await id('query-columns').fill('name\nsummary.loss');
    await id('query-columns').blur();
    await id('preset-choice').selectOption('wandb/bar/v0');
    await page.locator('[data-testid=map-field][data-field=label]').selectOption('name');
    await page.locator('[data-testid=map-field][data-field=value]').selectOption('summary.loss');
    await preview.waitFor();
    await id('use-chart').click();
    await editor.waitFor({ state: 'detached' });
    const found = await shown('final loss');
    assert.deepEqual(found.marks, { rect: 2 });
    assert.deepEqual(found.titles, ['name', 'summary.loss']);
    await edit('final loss');
    await id('chart-reset').click();
    await panel('final loss').waitFor({ state: 'detached' });
  },
  async 'frees what is no longer shown'() {
    await page.goto(`${root}/r/first`);
    await shown('bar');
    const view = await drawing('bar').evaluateHandle((figure) => figure.vegaView);
    await page.locator('[data-section="Custom charts"] h2 button').click();
    await drawing('bar').waitFor({ state: 'detached' });
    await page.locator('[data-testid=panel][data-key=loss] canvas').first().waitFor();
    assert.equal(await page.locator('[data-testid=custom-chart]').count(), 0);
    assert.equal(await view.evaluate((one) => one._eventListeners.length), 0);
  },
};

await check(session, steps, { login, shots });
