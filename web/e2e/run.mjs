/**
 * Checks what a run's page says of the run, and which charts it has. Reads only.
 *
 *   node e2e/run.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EXPECTED
 *
 * EXPECTED is JSON: `{"step": text, "titles": [text], "writers": [text], "together": [text]}`, the last of them the
 * first reading of key a, all writers together. Each writer of RUN has logged its
 * first panel's key.
 */
import assert from 'node:assert/strict';
import { check, openSession } from './session.mjs';

const [base, login, entity, project, run, expected] = process.argv.slice(2);
if (!expected) {
  console.error('usage: node e2e/run.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EXPECTED');
  process.exit(2);
}
const { step, titles, writers, together } = JSON.parse(expected);

const session = await openSession({ viewport: { width: 1440, height: 1200 } });
const { page } = session;
const dashesOf = (place) =>
  place.locator('svg[data-dash]').evaluateAll((samples) => samples.map((sample) => sample.dataset.dash));

const steps = {
  async 'says the exact last step'() {
    await page.goto(
      new URL(['p', entity, project, 'r', run].map(encodeURIComponent).join('/'), `${base}/`).href,
    );
    await page.locator('[data-testid=panel][data-status=ready] canvas').first().waitFor();
    assert.equal(await page.locator('[data-fact=Step]').innerText(), step);
  },
  async 'has a visible title for each key that is not hidden'() {
    const found = await page.locator('[data-testid=panel] h3').allInnerTexts();
    assert.deepEqual(found.sort(), titles.sort());
  },
  async 'tells the writers apart by their lines'() {
    const legend = page.locator('[data-testid=run-header] .writers');
    assert.deepEqual(
      (await legend.locator('dd').allInnerTexts()).map((text) => text.trim()),
      writers,
    );
    const dashes = await dashesOf(legend);
    assert.equal(dashes[0], '');
    assert.equal(new Set(dashes).size, writers.length);
    await page.locator('[data-testid=chart]').first().focus();
    await page.keyboard.press('ArrowRight');
    assert.deepEqual((await dashesOf(page.locator('[data-testid=tooltip]'))).sort(), dashes.sort());
    assert.equal(await page.locator('[data-testid=chart]').first().locator('.dot').count(), writers.length);
  },
  async 'shows them together as mean and range, and says so in the address'() {
    await page.locator('[data-testid=writers]').selectOption('mean');
    await page.waitForFunction(() => new URLSearchParams(location.search).get('w') === 'mean');
    const panel = page.locator('[data-testid=panel][data-key=a][data-status=ready]');
    await panel.locator('[data-testid=chart]').focus();
    await page.keyboard.press('Home');
    const tooltip = panel.locator('[data-testid=tooltip]');
    await tooltip.locator('th', { hasText: 'writers' }).waitFor();
    const cells = await tooltip.locator('tbody td:not(.run)').allInnerTexts();
    assert.deepEqual(cells, together);
    await page.locator('[data-testid=writers]').selectOption('apart');
  },
  async 'draws the line between two values when only that is on screen'() {
    await page.goto(`${page.url().split('?')[0]}?z=1.2:1.8`);
    const panel = page.locator('[data-testid=panel][data-key=a][data-status=ready]');
    await panel.locator('canvas').waitFor();
    assert.equal(await panel.locator('[data-testid^=notice]').count(), 0);
    await page.goto(`${page.url().split('?')[0]}?z=-20:-10`);
    await panel.locator('[data-testid^=notice]', { hasText: 'No points in this range' }).waitFor();
  },
};

await check(session, steps, { login });
