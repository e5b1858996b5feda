/**
 * Checks what a run's page says of the run, and which charts it has. Reads only.
 *
 *   node e2e/run.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EXPECTED
 *
 * EXPECTED is JSON: `{"step": text, "titles": [text], "writers": [text]}`. Each writer of RUN has logged its
 * first panel's key.
 */
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [base, login, entity, project, run, expected] = process.argv.slice(2);
if (!expected) {
  console.error('usage: node e2e/run.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EXPECTED');
  process.exit(2);
}
const { step, titles, writers } = JSON.parse(expected);
const faults = [];

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
const page = await browser.newPage({ viewport: { width: 1440, height: 1200 } });
page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
page.on('pageerror', (error) => faults.push(error.stack));
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
  },
};

try {
  await page.goto(login);
  for (const [name, check] of Object.entries(steps)) {
    await check();
    assert.deepEqual(faults, [], name);
    console.log(`ok  ${name}`);
  }
} finally {
  await browser.close();
}
