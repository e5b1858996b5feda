/**
 * Checks the Overview and System tabs of a run's page. Reads only.
 *
 *   node e2e/capture.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EXPECTED
 *
 * EXPECTED is JSON: `{"commands": [line], "patch": file, "added": text, "packages": count, "cards": GPUs that have
 * one, "heat": {key: rows}, "live": whether RUN goes on}`. `patch` is the name of a file in diff.patch, `added` a line
 * that it adds; without them nothing is asked of a patch. `code` are the files of saved code that are linked.
 */
import assert from 'node:assert/strict';
import { check, openSession, overflowOf } from './session.mjs';

const [base, login, entity, project, run, expected] = process.argv.slice(2);
if (!expected) {
  console.error('usage: node e2e/capture.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EXPECTED');
  process.exit(2);
}
const { commands, patch, added, packages, cards, heat, live, code } = JSON.parse(expected);
const address = new URL(['p', entity, project, 'r', run].map(encodeURIComponent).join('/'), `${base}/`).href;

const session = await openSession({
  viewport: { width: 1440, height: 1200 },
  permissions: ['clipboard-read', 'clipboard-write'],
});
const { page } = session;
const tab = (name) => page.getByRole('tab', { name, exact: true });
const ready = () => page.locator('[data-testid=panel][data-status=ready] canvas').first().waitFor();

const steps = {
  async 'shows the charts where the address names no tab'() {
    await page.goto(address);
    await page.locator('[data-testid=tab-charts] [data-testid=tree]').first().waitFor();
    assert.equal(await tab('Charts').getAttribute('aria-selected'), 'true');
  },
  async 'goes through the tabs with the keyboard, and back'() {
    await tab('Charts').focus();
    await page.keyboard.press('ArrowLeft');
    await page.locator('[data-testid=tab-overview]').waitFor();
    assert.equal(new URL(page.url()).searchParams.get('tab'), 'overview');
    await page.keyboard.press('End');
    await page.locator('[data-testid=tab-artifacts]').waitFor();
    assert.ok(await tab('Artifacts').evaluate((button) => button === document.activeElement));
    await page.goBack();
    await page.locator('[data-testid=tab-overview]').waitFor();
  },
  async 'says how to have the run again'() {
    const block = page.locator('[data-testid=reproduce]');
    await block.getByLabel('Copy the commands').click();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    assert.deepEqual(text.split('\n'), commands);
  },
  async 'links the saved code that no commit has'() {
    const links = page.locator('[data-testid=saved-code] a');
    assert.deepEqual(await links.allTextContents(), code ?? []);
    if (!code) return;
    await links.first().click();
    await page.locator('[data-testid=file-view]', { hasText: code[0] }).waitFor();
    await page.goBack();
    await page.locator('[data-testid=reproduce]').waitFor();
  },
  async 'downloads what the commands need'() {
    const links = page.locator('[data-testid=reproduce] [data-testid=download]');
    for (const link of await links.all()) {
      const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
      assert.equal(download.suggestedFilename(), await link.getAttribute('download'));
    }
  },
  async 'shows a patch as a diff'() {
    if (!patch) return;
    const file = page.locator('[data-file="diff.patch"] [data-testid=patch-file]', { hasText: patch });
    if (!(await file.evaluate((details) => details.open))) await file.locator('summary').click();
    await file.locator('tr.added .text', { hasText: added }).first().waitFor();
  },
  async 'finds a package'() {
    const list = page.locator('[data-tree=Packages]');
    assert.equal(await list.locator('.badge').innerText(), String(packages));
    const first = await list.locator('dt').first().innerText();
    await list.getByRole('searchbox').fill(first);
    assert.equal(await list.locator('dt').first().innerText(), first);
    await list.getByRole('searchbox').fill('no such package');
    await list.getByText('Nothing matches').waitFor();
  },
  async 'draws the samples, with a card for each GPU'() {
    await page.keyboard.press('Escape');
    await page.keyboard.press('3');
    await ready();
    assert.equal(await page.locator('[data-testid=device]').count(), cards);
  },
  async 'shows many devices as rows of one picture, which opens one of them'() {
    const asked = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/series:query')) asked.push(...request.postDataJSON().panels);
    });
    if (Object.keys(heat).length > 0) await page.reload();
    for (const [key, rows] of Object.entries(heat)) {
      const picture = page.locator(`[data-testid=heat][data-key="${key}"]`);
      await picture.scrollIntoViewIfNeeded();
      await page.locator(`[data-testid=heat][data-key="${key}"][data-rows="${rows}"]`).waitFor();
      // One picture of all devices, not a series of each.
      const [query] = asked.filter(({ id }) => id === key);
      assert.deepEqual([query.agg, query.series.length], ['devices', 1]);
      assert.match(query.series[0].system, /\.\*\./);
      await picture.locator('figure').focus();
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowLeft');
      await picture.locator('[data-testid=heat-tip]', { hasText: '%' }).waitFor();
      if (!key.startsWith('GPU')) continue;
      await page.keyboard.press('Enter');
      await page.locator('[data-testid=device]').waitFor();
      assert.match(new URL(page.url()).searchParams.get('dev'), /^gpu\.\d+$/);
    }
  },
  async 'counts time as the address says'() {
    await page.locator('[data-testid=system-x]').selectOption('wall');
    assert.equal(new URL(page.url()).searchParams.get('sx'), 'wall');
    await page.reload();
    await ready();
    assert.equal(await page.locator('[data-testid=system-x]').inputValue(), 'wall');
  },
  async 'names the unit of a value'() {
    const panel = page.locator('[data-testid=panel][data-key="memory_percent"]');
    await panel.scrollIntoViewIfNeeded();
    await panel.locator('canvas').waitFor();
    await panel.locator('[data-testid=chart]').focus();
    await page.keyboard.press('End');
    await panel
      .locator('[data-testid=tooltip] .value', { hasText: /^\s*[\d.]+%\s*$/ })
      .first()
      .waitFor();
    await page.keyboard.press('Escape');
  },
  async 'follows a run that goes on'() {
    if (!live) return;
    const panel = '[data-testid=panel][data-key="memory_percent"][data-status=ready]';
    const points = Number(await page.locator(panel).getAttribute('data-points'));
    await page.waitForFunction(
      ([selector, least]) => Number(document.querySelector(selector)?.dataset.points) > least,
      [panel, points + 2],
    );
  },
  async 'fits a narrow window'() {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const name of ['overview', 'system']) {
      await page.goto(`${address}?tab=${name}`);
      await page
        .locator('[data-testid=reproduce], [data-testid=panel], [data-testid=heat]')
        .first()
        .waitFor();
      const overflow = await overflowOf(page);
      assert.equal(overflow, 0, name);
    }
  },
};

await check(session, steps, { login });
