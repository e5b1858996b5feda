/** What the checks of this folder share: a browser, the faults that its page shows, and going through steps. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** How Chromium is started: without a screen, and without a GPU unless `drawing` says how it draws. */
export const chromiumWith = (drawing = ['--disable-gpu']) => ({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-background-networking', ...drawing],
});

/**
 * A page in a browser of its own, with the faults that it shows from now on: errors in its console, unless
 * `isExpected` says of their text that they are what is tested, and errors that nobody caught. All else goes to
 * the page's context.
 */
export async function openSession({ drawing, isExpected = () => false, ...options } = {}) {
  const browser = await chromium.launch(chromiumWith(drawing));
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !isExpected(message.text())) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(error.stack));
  return { browser, context, page, faults };
}

/** Whatever a page asks of another host than that of `base` is a fault, too. */
export function staysAt(base, { page, faults }) {
  const home = new URL(base).origin;
  page.on('request', (request) => {
    // A WebSocket is of the host, too.
    if (/^(http|ws)/.test(request.url()) && new URL(request.url().replace(/^ws/, 'http')).origin !== home)
      faults.push(`foreign: ${request.url()}`);
  });
}

/**
 * Logs in, unless `login` is "-", and goes through the steps, by their names. Fails with the first that throws or
 * after which there are faults, with a picture in the folder `shots` if there is one; closes the browser.
 */
export async function check({ browser, page, faults }, steps, { login, shots, quiet = false }) {
  try {
    if (login !== '-') await page.goto(login);
    for (const [name, step] of Object.entries(steps)) {
      try {
        await step();
        assert.deepEqual(faults, [], name);
      } catch (error) {
        console.error(`not ok  ${name}`, page.url(), ...faults);
        if (shots) await page.screenshot({ path: join(shots, 'failed.png') });
        throw error;
      }
      if (!quiet) console.log(`ok  ${name}`);
    }
  } finally {
    await browser.close();
  }
  assert.deepEqual(faults, [], 'after the last step');
}

/** By how many CSS pixels the page is wider than its window. */
export const overflowOf = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
