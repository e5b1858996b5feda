/**
 * Watches the Media tab of a run that goes on.
 *
 *   node e2e/mediaLive.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN
 *
 * Prints "watching" when the first image of `image` is seen, "followed" when a later one is, "held" when the first was
 * chosen, and "stayed" when there are more steps and it still shows that.
 */
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { chromiumWith } from './session.mjs';

const [base, login, entity, project, run] = process.argv.slice(2);
if (!run) {
  console.error('usage: node e2e/mediaLive.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN');
  process.exit(2);
}
const browser = await chromium.launch(chromiumWith());
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(login);
  await page.goto(`${base}/p/${entity}/${project}/r/${run}?tab=media`);
  const slider = page.locator('[data-testid=step-slider]');
  const range = slider.locator('input');
  const image = page.locator('[data-testid=media-panel] img');
  await image.waitFor();
  const first = await image.getAttribute('src');
  const steps = async () => Number(await range.getAttribute('max'));
  const more = async (than) => {
    const input = await range.elementHandle();
    await page.waitForFunction(([element, most]) => Number(element.max) > most, [input, than]);
    return await steps();
  };
  const seen = await steps();
  console.log('watching');
  const then = await more(seen);
  await page.waitForFunction(
    ([was]) => document.querySelector('[data-testid=media-panel] img').src !== new URL(was, location).href,
    [first],
  );
  console.log('followed');
  await range.focus();
  await page.keyboard.press('Home');
  await page.waitForFunction(() => document.querySelector('[data-testid=step-slider]').dataset.step === '0');
  console.log('held');
  await more(then);
  assert.equal(await slider.getAttribute('data-step'), '0');
  console.log('stayed');
} finally {
  await browser.close();
}
