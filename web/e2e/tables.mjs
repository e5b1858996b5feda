/**
 * Checks the table explorer on a run's page.
 *
 *   node e2e/tables.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN [SHOTS_FOLDER]
 *
 * The run has the tables that `test_tables_in_the_browser` logs: `eval/preds` at steps 0 to 2 and `long`;
 * the run `second` has `eval/preds` as well, and RUN`-wide` a table of 10,000 columns.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { assertAccessible } from './accessible.mjs';
import { check, openSession, overflowOf } from './session.mjs';

const [base, login, entity, project, run, shots] = process.argv.slice(2);
if (!run) {
  console.error('usage: node e2e/tables.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN [SHOTS_FOLDER]');
  process.exit(2);
}
const address = new URL(['p', entity, project, 'r', run].map(encodeURIComponent).join('/'), `${base}/`).href;
const LONG = 1_000_000;

/** Answers that are refused on purpose are told to the console, too. */
let refused = 0;
const isExpected = (text) => refused > 0 && /status of 400/.test(text) && refused-- > 0;
const session = await openSession({ isExpected });
const { page } = session;

const id = (name) => page.locator(`[data-testid=${name}]`);
const grid = id('table-grid');
const column = (name) => page.locator(`[data-testid=table-column][data-column="${name}"]`);
const rows = grid.locator('[role=rowgroup] [role=row]');
/** The texts of a column's cells on screen, from the top. */
const cells = (place) =>
  rows.evaluateAll(
    (all, at) => all.map((row) => row.querySelectorAll('[role=gridcell]')[at]?.textContent.trim() ?? ''),
    place,
  );
const counted = (text) =>
  page.waitForFunction(
    (expected) =>
      document.querySelector('[data-testid=table-count]')?.textContent.trim().replace(/\s+/g, ' ') ===
      expected,
    text,
  );
/** Waits until a cell of the first row says so. */
const first = (place, text) =>
  page.waitForFunction(
    ([at, expected]) => {
      const row = document.querySelector('[data-testid=table-grid] [role=rowgroup] [role=row]');
      return row?.querySelectorAll('[role=gridcell]').item(at)?.textContent.trim() === expected;
    },
    [place, text],
  );
async function shot(name) {
  if (!shots) return;
  await mkdir(shots, { recursive: true });
  for (const scheme of ['light', 'dark']) {
    await page.evaluate((theme) => (document.documentElement.dataset.theme = theme), scheme);
    // Until the colours have changed over.
    await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)));
    await page.screenshot({ path: join(shots, `tables-${name}-${scheme}.png`) });
  }
}

const steps = {
  async 'opens the first table, says what its columns hold, and loads thumbnails only of rows in sight'() {
    await page.goto(`${address}?tab=tables`);
    await counted('300 rows');
    assert.equal(await grid.getAttribute('aria-rowcount'), '301');
    await column('score').locator('svg rect').first().waitFor({ state: 'attached' });
    assert.equal(await column('score').locator('svg rect').count(), 30);
    assert.match(await column('label').locator('li').first().innerText(), /bird\s*100/);
    await page.waitForFunction(() =>
      [...document.querySelectorAll('[data-testid=table-grid] img')].some((img) => img.naturalWidth),
    );
    const images = await grid.locator('img').evaluateAll((all) => all.map((img) => [img.loading, img.src]));
    assert.ok(images.length > 3 && images.length < 40, `${images.length} images`);
    assert.ok(
      images.every(([loading, src]) => loading === 'lazy' && /\/blobs\/[0-9a-f]{64}\?w=64$/.test(src)),
    );
    // The columns of the rows are below their heads.
    const lefts = (locator) =>
      locator.evaluateAll((all) => all.map((one) => Math.round(one.getBoundingClientRect().left)));
    const heads = await lefts(id('table-column'));
    assert.deepEqual(await lefts(rows.first().locator('[role=gridcell]')), heads);
    await assertAccessible(page, 'the explorer');
    await shot('open');
  },
  async 'sorts by a column, and by another one beside it'() {
    await column('id').getByRole('button').click();
    await column('id').getByRole('button').click();
    await first(0, '299');
    assert.equal(await column('id').getAttribute('aria-sort'), 'descending');
    await column('label').getByRole('button').click();
    await column('id')
      .getByRole('button')
      .click({ modifiers: ['Shift'] });
    await first(0, '2');
    assert.deepEqual((await cells(2)).slice(0, 3), ['bird', 'bird', 'bird']);
    assert.match(page.url(), /to=label:asc,id:asc/);
    await page.goBack();
    await page.goBack();
    await first(0, '299');
  },
  async 'filters, and shows where a condition is wrong'() {
    await id('table-where').fill("score < 0.5 and label = 'cat'");
    await id('table-where').press('Enter');
    await counted('48 matching rows');
    refused = 1;
    await id('table-where').fill('score < 0.5 and nothing > 3');
    await id('table-where').press('Enter');
    await id('table-wrong').waitFor();
    assert.equal(await id('table-wrong').locator('mark').innerText(), 'nothing > 3');
    assert.match(await id('table-wrong').innerText(), /no column 'nothing'/);
    assert.equal(await id('table-where').getAttribute('aria-invalid'), 'true');
    await shot('wrong');
    await id('table-where').fill('id < 0');
    await id('table-where').press('Enter');
    await page.getByText('No row matches the condition.').waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    await counted('300 rows');
  },
  async 'groups, and opens a group'() {
    await id('table-group').selectOption('label');
    await counted('3 groups, 300 rows');
    assert.deepEqual(await cells(0), ['bird', 'cat', 'dog']);
    assert.deepEqual(await cells(1), ['100', '100', '100']);
    await column('score.mean').waitFor();
    // Of 100 rows each: in bins that all groups have.
    const bars = rows.nth(0).getByRole('img', { name: /^Histogram, \d+ values, / });
    assert.equal(await bars.first().locator('rect').count(), 30);
    assert.equal(await column('score.hist').getByRole('button').isDisabled(), true);
    await shot('groups');
    await rows.nth(1).click();
    await counted('100 matching rows');
    assert.equal(await id('table-where').inputValue(), "label = 'cat'");
    await page.getByRole('button', { name: 'Clear' }).click();
    await counted('300 rows');
  },
  async 'shows a row whole, by mouse and by keyboard'() {
    await rows.first().click();
    const whole = id('table-row');
    await whole.getByRole('heading', { name: 'Row 0' }).waitFor();
    await page.waitForFunction(() => document.querySelector('[data-testid=table-row] img')?.naturalWidth > 0);
    assert.match(await whole.innerText(), /"tokens": \[/);
    await assertAccessible(page, 'a row');
    await shot('row');
    await grid.focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', 'Enter']) await page.keyboard.press(key);
    await whole.getByRole('heading', { name: 'Row 1' }).waitFor();
    assert.match(page.url(), /tr=1/);
    await page.keyboard.press('Escape');
    await whole.waitFor({ state: 'detached' });
  },
  async 'hides columns'() {
    await id('table-columns').click();
    await page.getByLabel('image', { exact: true }).uncheck();
    await column('image').waitFor({ state: 'detached' });
    assert.match(page.url(), /th=image/);
    await page.getByLabel('image', { exact: true }).check();
    await id('table-columns').click();
  },
  async 'shows another step'() {
    await id('table-step').selectOption('0');
    await counted('200 rows');
    assert.match(page.url(), /ts=0/);
  },
  async 'compares two steps by a column'() {
    await id('table-compare').selectOption('latest');
    await column('1.score').waitFor();
    await counted('300 rows');
    await id('table-where').fill('`0.score` is null and `1.score` > 0.5');
    await id('table-where').press('Enter');
    await counted('38 matching rows');
    await shot('compare');
    const kept = page.url();
    await page.goto('about:blank');
    await page.goto(kept);
    await column('1.score').waitFor();
  },
  async 'goes through a million rows'() {
    await page.goto(`${address}?tab=tables&tk=long`);
    await counted(`${LONG.toLocaleString('en')} rows`);
    assert.ok((await rows.count()) < 60);
    await grid.focus();
    await page.keyboard.press('End');
    await page.waitForFunction(
      (last) =>
        [...document.querySelectorAll('[data-testid=table-grid] [role=gridcell]')].some(
          (cell) => cell.textContent.trim() === last,
        ),
      String(LONG - 1),
    );
    assert.equal(await grid.getAttribute('aria-activedescendant'), `row-${LONG - 1}`);
    assert.ok((await rows.count()) < 60);
    await shot('long');
    await page.keyboard.press('Home');
    await first(0, '0');
  },
  async 'fits a narrow window'() {
    await page.setViewportSize({ width: 360, height: 740 });
    const overflow = await overflowOf(page);
    assert.equal(overflow, 0);
    await shot('narrow');
    await page.setViewportSize({ width: 1440, height: 900 });
  },
  async 'shows the tables of all runs under a key'() {
    await page.goto(
      new URL(['p', entity, project, 'workspace'].map(encodeURIComponent).join('/'), `${base}/`).href,
    );
    await id('project-tabs').getByRole('link', { name: 'Tables' }).click();
    await counted('400 rows');
    assert.equal(await id('table-runs').locator('summary').innerText(), 'The last table of 2 runs of 2');
    await column('run').waitFor();
    await assertAccessible(page, 'tables of a project');
    await shot('project');
    await id('table-group').selectOption('run');
    await counted('2 groups, 400 rows');
    await page.goBack();
    await counted('400 rows');
    await id('table-runs').locator('summary').click();
    await id('table-runs').getByLabel('first', { exact: true }).uncheck();
    await counted('100 rows');
    assert.match(page.url(), new RegExp(`not=${run}`));
    await id('table-runs').getByLabel('first', { exact: true }).check();
    await counted('400 rows');
    await id('table-runs').locator('summary').click();
    await id('table-where').fill("run = 'second'");
    await id('table-where').press('Enter');
    await counted('100 matching rows');
    await page.setViewportSize({ width: 360, height: 740 });
    const overflow = await overflowOf(page);
    assert.equal(overflow, 0);
    await page.setViewportSize({ width: 1440, height: 900 });
    await id('table-key').selectOption('1');
    await page.waitForURL(/\/tables\/long$/);
    await counted(`${LONG.toLocaleString('en')} rows`);
    await page.goBack();
    await rows.first().getByRole('link', { name: 'second' }).click();
    await page.waitForURL(/\/r\/second\?tab=tables$/);
    await counted('100 rows');
  },
  async 'goes through ten thousand columns'() {
    await page.goto(`${address}-wide?tab=tables`);
    await counted('2 rows');
    assert.equal(await id('table-key').locator('option').innerText(), 'wide.one');
    assert.equal(await grid.getAttribute('aria-colcount'), '10001');
    await column('c0').locator('svg').waitFor();
    assert.ok((await id('table-column').count()) < 30);
    await grid.evaluate((one) => (one.scrollLeft = one.scrollWidth));
    await column('c9999').locator('svg').waitFor();
    assert.ok((await id('table-column').count()) < 30);
    assert.equal(await column('c9999').getAttribute('aria-colindex'), '10001');
    assert.equal((await cells(0)).length, 2);
    const last = rows.first().locator('[role=gridcell]').last();
    assert.equal((await last.innerText()).trim(), '9999');
    const left = (locator) => locator.evaluate((one) => Math.round(one.getBoundingClientRect().left));
    assert.equal(await left(last), await left(column('c9999')));
    await assertAccessible(page, 'a wide table');
    await shot('wide');
    await id('table-columns').click();
    await page.getByLabel('c9998', { exact: true }).uncheck();
    await column('c9998').waitFor({ state: 'detached' });
  },
  async 'says when a run has no tables'() {
    await page.goto(`${address}-empty?tab=tables`);
    await page.getByText('No tables').waitFor();
  },
};

await check(session, steps, { login, shots });
