/**
 * Checks what is shown of objects that have no file of their own, and of lists of several kinds.
 *
 *   node e2e/values.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN [SHOTS_FOLDER]
 *
 * The run is the one that tests/e2e/test_browser_values.py logs.
 */
import assert from 'node:assert/strict';
import { assertAccessible } from './accessible.mjs';
import { check, openSession } from './session.mjs';

const [base, login, entity, project, run, shots] = process.argv.slice(2);
if (!run) {
  console.error('usage: node e2e/values.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN [SHOTS_FOLDER]');
  process.exit(2);
}
const address = new URL(['p', entity, project, 'r', run].map(encodeURIComponent).join('/'), `${base}/`).href;

const session = await openSession({ viewport: { width: 1440, height: 1400 } });
const { page } = session;
const panel = (key) => page.locator(`[data-testid=media-panel][data-key="${key}"]`);

const steps = {
  async 'a list of histograms is one picture each'() {
    await page.goto(`${address}?tab=media`);
    const items = panel('pair').locator('[data-testid=media-item]');
    await items.nth(2).getByText('empty', { exact: true }).waitFor();
    assert.equal(await items.count(), 3);
    assert.equal(await items.nth(0).locator('rect').count(), 4);
    assert.equal(await items.nth(1).locator('rect').count(), 2);
  },
  async 'an empty histogram says that it is'() {
    await panel('nothing').getByText('Nothing was counted.').waitFor();
    await panel('nans').getByText('No finite values').waitFor();
  },
  async 'classes are listed'() {
    const facts = panel('classes').locator('[data-testid=facts]');
    await facts.waitFor();
    assert.match(await facts.innerText(), /7\s+cat\s+8\s+dog/);
  },
  async 'in a list each is shown by its own kind'() {
    await panel('mixed').locator('iframe').waitFor();
    await panel('mixed').locator('[data-testid=thumb] img').waitFor();
    assert.equal(await panel('mixed').locator('[data-testid=media-item]').count(), 2);
    await assertAccessible(page, 'values');
    if (shots) await page.screenshot({ path: `${shots}/values.png` });
  },
  async 'a histogram in a table is a small one'() {
    await page.goto(`${address}?tab=tables`);
    const cells = page.locator('[data-testid=table-grid] [role=gridcell]');
    await cells.locator('[data-testid=bars]').first().waitFor();
    assert.equal(await cells.nth(1).locator('rect').count(), 2);
    const head = page.locator('[data-testid=table-column][data-column=h]');
    await head.getByText('2 different').waitFor();
    if (shots) await page.screenshot({ path: `${shots}/cells.png` });
    assert.doesNotMatch(await head.innerText(), /_type/);
  },
};

await check(session, steps, { login, shots });
