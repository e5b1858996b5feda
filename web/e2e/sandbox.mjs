/**
 * Checks that HTML and SVG that were logged get at nothing of the page and its session.
 *
 *   node e2e/sandbox.mjs BASE_URL LOGIN_LINK ENTITY HTML_SHA256 SVG_SHA256
 *
 * The HTML tells the page around it, by `postMessage`, what it got at; the SVG asks for `/ran-svg` when its script runs.
 */
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { chromiumWith } from './session.mjs';

const [base, login, entity, html, svg] = process.argv.slice(2);
if (!svg) {
  console.error('usage: node e2e/sandbox.mjs BASE_URL LOGIN_LINK ENTITY HTML_SHA256 SVG_SHA256');
  process.exit(2);
}
const blob = (sha256, query = '') => `${base}/api/v1/blobs/${sha256}${query}`;

const browser = await chromium.launch(chromiumWith());
const context = await browser.newContext();
const asked = [];
context.on('request', (request) => asked.push(new URL(request.url()).pathname));
const page = await context.newPage();
await page.goto(login);
await page.goto(`${base}/p/${entity}`);

/** What the HTML says that it got at, in a frame of the page. */
const told = (address) =>
  page.evaluate(
    (source) =>
      new Promise((done) => {
        localStorage.setItem('secret', 'of the page');
        addEventListener('message', ({ data, origin }) => done({ ...data, origin }), { once: true });
        document.body.append(Object.assign(document.createElement('iframe'), { src: source }));
      }),
    address,
  );
const session = () => page.evaluate(async () => (await fetch('/api/v1/session')).status);

const steps = {
  async 'HTML in a frame runs its script, and gets at nothing'() {
    const found = await told(blob(html, '?as=html'));
    assert.deepEqual(found, {
      cookie: 'SecurityError',
      storage: 'SecurityError',
      parent: 'SecurityError',
      ask: 'TypeError',
      own: 'null',
      origin: 'null',
    });
    assert.equal(await session(), 200, 'it has not logged out whoever looks at it');
  },
  async 'HTML at an address of its own neither'() {
    const alone = await context.newPage();
    await alone.goto(blob(html, '?as=html'));
    assert.equal(await alone.evaluate(() => origin), 'null');
    await alone.waitForFunction(() => document.title !== '');
    assert.equal(JSON.parse(await alone.title()).cookie, 'SecurityError');
    assert.equal(await session(), 200);
    await alone.close();
  },
  async 'HTML that is not asked for as such is text'() {
    const alone = await context.newPage();
    await alone.goto(blob(html));
    assert.match(await alone.locator('body').innerText(), /<script>/);
    assert.equal(await alone.title(), '');
    await alone.close();
  },
  async 'SVG is drawn, and its script does not run'() {
    const width = await page.evaluate(
      async (source) => {
        const image = Object.assign(new Image(), { src: source });
        await image.decode();
        return image.naturalWidth;
      },
      blob(svg, '?as=svg'),
    );
    assert.equal(width, 30);
    const alone = await context.newPage();
    await alone.goto(blob(svg, '?as=svg'));
    assert.equal(await alone.locator('rect').count(), 1);
    await alone.close();
    assert.ok(asked.includes('/ran-html'), 'what asks is seen');
    assert.ok(!asked.includes('/ran-svg'));
  },
};

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.error(`not ok ${name}\n${error.stack}`);
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
