/**
 * Checks the Files tab of a run's page, in which a large file arrives meanwhile.
 *
 *   node e2e/files.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EXPECTED
 *
 * EXPECTED is JSON: `{"wanted": {"name", "path", "sha256", "arrived"}, "long": a text of which the begin is shown}`.
 * Prints "waiting" when it has seen that `wanted` is not there yet, and goes on when it is.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { check, openSession, overflowOf } from './session.mjs';

const [base, login, entity, project, run, expected] = process.argv.slice(2);
if (!expected) {
  console.error('usage: node e2e/files.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EXPECTED');
  process.exit(2);
}
const { wanted, long } = JSON.parse(expected);
const address = new URL(['p', entity, project, 'r', run].map(encodeURIComponent).join('/'), `${base}/`).href;

const session = await openSession({ permissions: ['clipboard-read', 'clipboard-write'] });
const { page } = session;
const entry = (name) => page.locator('[data-testid=files] button', { hasText: name });
const view = (name) => page.locator(`[data-testid=file-view][data-file="${name}"]`);

const steps = {
  async 'says how much of a file has come'() {
    await page.goto(`${address}?tab=files`);
    await entry(wanted.name).waitFor();
    assert.match(await entry(wanted.name).innerText(), new RegExp(`not here yet, ${wanted.arrived}`));
    await entry(wanted.name).click();
    await view(wanted.path).getByText('Not here yet', { exact: true }).waitFor();
    assert.equal(await view(wanted.path).locator('[data-testid=download]').count(), 0);
  },
  async 'fits a narrow window'() {
    await page.setViewportSize({ width: 360, height: 740 });
    const overflow = await overflowOf(page);
    assert.equal(overflow, 0);
    await page.setViewportSize({ width: 1440, height: 900 });
  },
  async 'has it once it has come, and downloads it whole'() {
    console.log('waiting');
    const link = view(wanted.path).locator('[data-testid=download]');
    await link.waitFor();
    assert.doesNotMatch(await entry(wanted.name).innerText(), /not here yet/);
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    const hash = createHash('sha256').update(await readFile(await download.path()));
    assert.equal(hash.digest('hex'), wanted.sha256);
  },
  async 'copies the hash'() {
    await view(wanted.path).getByLabel('Copy the SHA-256').click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), wanted.sha256);
  },
  async 'shows the begin of a long text, and asks for no more'() {
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url().includes(`/files/${long}`)),
      entry(long).click(),
    ]);
    assert.equal(answer.status(), 206);
    assert.equal((await answer.body()).length, 300 * 1024);
    await view(long).locator('[data-testid=file-begin]').waitFor();
    assert.match(await view(long).locator('pre').innerText(), /^line 0\n[^]*line \d+\n?$/);
  },
};

await check(session, steps, { login, quiet: true });
