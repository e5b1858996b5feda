/**
 * Checks that a run's page shows every digit of what was logged, and labels whatever a chart spans. Reads only.
 *
 *   node e2e/exact.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EMPTY_RUN EXPECTED
 *
 * EXPECTED is JSON: `{"Config": {path: exact text}, "Summary": {…}}`. Every plotted key of RUN needs a finite
 * value; EMPTY_RUN has ended and holds nothing.
 */
import assert from 'node:assert/strict';
import { check, openSession } from './session.mjs';

const [base, login, entity, project, run, empty, expected] = process.argv.slice(2);
if (!expected) {
  console.error('usage: node e2e/exact.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EMPTY_RUN EXPECTED');
  process.exit(2);
}
const path = (...parts) => new URL(parts.map(encodeURIComponent).join('/'), `${base}/`).href;

const session = await openSession({
  viewport: { width: 1440, height: 4000 },
  permissions: ['clipboard-read', 'clipboard-write'],
});
const { page } = session;

/** Whether a chart has drawn something to the left of its plot: the labels of y. */
const hasLabels = (panel) => {
  const canvas = panel.querySelector('canvas');
  const plot = panel.querySelector('.u-over').getBoundingClientRect();
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  const width = (plot.left - box.left) * scale - 2;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, plot.height * scale);
  return data.some((alpha, i) => i % 4 === 3 && alpha > 100);
};

const steps = {
  async 'shows config and summary to the last digit'() {
    await page.goto(path('p', entity, project, 'r', run));
    for (const [tree, texts] of Object.entries(JSON.parse(expected))) {
      const list = page.locator(`[data-tree=${tree}]`);
      await list.locator('dd').first().waitFor();
      const found = await list.locator('dl > div').evaluateAll((rows) =>
        rows.map((row) => {
          const value = row.querySelector('dd');
          return [row.querySelector('dt').title, value.title, value.innerText];
        }),
      );
      const titles = Object.fromEntries(found.map(([name, title]) => [name, title]));
      for (const [name, text] of Object.entries(texts)) assert.equal(titles[name], text, name);
      for (const [name, title, shown] of found)
        if (/^[-\d.e]+$/.test(shown)) assert.equal(shown, title, name);
        else if (shown.includes('…')) assert.ok(title.startsWith(shown.split('…')[0]), name);
    }
  },
  async 'copies the exact number of a time'() {
    const value = page
      .locator('[data-tree=Summary] div', { has: page.getByTitle('_timestamp') })
      .locator('dd');
    const exact = await value.getAttribute('title');
    assert.match(exact, /^\d+\.\d+$/);
    assert.notEqual(await value.innerText(), exact);
    await value.click({ clickCount: 3 });
    await page.keyboard.press('Control+c');
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), exact);
  },
  async 'labels the y axis of every chart'() {
    await page.waitForFunction(() => {
      const panels = [...document.querySelectorAll('[data-testid=panel]')];
      return panels.length && panels.every((panel) => panel.querySelector('canvas'));
    });
    await page.evaluate(() => new Promise((done) => setTimeout(done)));
    const panels = page.locator('[data-testid=panel]');
    for (const panel of await panels.all())
      assert.ok(await panel.evaluate(hasLabels), await panel.getAttribute('data-key'));
  },
  async 'tells of a run that ended without values'() {
    await page.goto(path('p', entity, project, 'r', empty));
    await page.getByText('The run logged nothing').waitFor();
  },
};

await check(session, steps, { login });
