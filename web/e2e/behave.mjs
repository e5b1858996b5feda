/**
 * Drives a real project in a browser and checks what the pages promise. Reads only, and logs
 * out at the end.
 *
 *   node e2e/behave.mjs BASE_URL LOGIN_LINK ENTITY PROJECT
 *
 * The project needs at least three runs and two plotted keys with more than ten steps. LOGIN_LINK may be "-".
 */
import assert from 'node:assert/strict';
import { check, openSession, staysAt } from './session.mjs';

const [base, login, entity, project] = process.argv.slice(2);
if (!project) {
  console.error('usage: node e2e/behave.mjs BASE_URL LOGIN_LINK ENTITY PROJECT');
  process.exit(2);
}
const root = base.endsWith('/') ? base : `${base}/`;
const workspace = new URL(`p/${encodeURIComponent(entity)}/${encodeURIComponent(project)}/workspace`, root)
  .href;

const session = await openSession({ viewport: { width: 1440, height: 860 } });
const { page } = session;
staysAt(root, session);
const seriesQueries = [];
page.on('request', (request) => {
  if (request.url().includes('series:query')) seriesQueries.push(request.postDataJSON().panels);
});

const search = () => new URL(page.url()).searchParams;
const ready = () =>
  page.locator('[data-testid=panel][data-status=ready]:not([data-points="0"]) canvas').first().waitFor();
const until = (predicate, argument) => page.waitForFunction(predicate, argument, { timeout: 5000 });
const addressHas = (name, wanted) =>
  until(([n, w]) => (new URL(location.href).searchParams.get(n) ?? null) === w, [name, wanted]);

const steps = {
  async 'opens with one request for the panels on screen'() {
    await page.goto(workspace);
    await ready();
    assert.equal(seriesQueries.length, 1);
    assert.ok((await page.locator('[data-testid=panel]').count()) >= 2);
  },
  async 'is live'() {
    await page.locator('[data-testid=live][data-status=live]').waitFor();
  },
  async 'shows the crosshair and reads values under the pointer'() {
    const box = await page.locator('.u-over').first().boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.locator('[data-testid=tooltip]').waitFor();
  },
  async 'zooms by dragging, back and forward, and resets by a double click'() {
    const box = await page.locator('.u-over').first().boundingBox();
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.2, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, y, { steps: 4 });
    await page.mouse.up();
    await until(() => new URL(location.href).searchParams.has('z'));
    const zoom = search().get('z');
    await page.goBack();
    await addressHas('z', null);
    await page.goForward();
    await addressHas('z', zoom);
    await ready();
    await page.mouse.dblclick(box.x + box.width / 2, y);
    await addressHas('z', null);
  },
  async 'shows the top of the list of runs after another order'() {
    await page.setViewportSize({ width: 1440, height: 200 });
    const list = page.locator('[data-testid=runs] .list');
    await list.evaluate((element) => element.scrollTo({ top: 1000 }));
    assert.ok((await list.evaluate((element) => element.scrollTop)) > 0);
    await page.locator('[data-testid=run-sort]').selectOption('name');
    await until(() => document.querySelector('[data-testid=runs] .list').scrollTop === 0);
    await page.locator('[data-testid=run-sort]').selectOption('created');
    await page.setViewportSize({ width: 1440, height: 860 });
  },
  async 'has one tooltip, also after a zoom and on the way to another chart'() {
    const [first, second] = await page.locator('.u-over').all();
    const from = await first.boundingBox();
    await page.mouse.move(from.x + from.width * 0.2, from.y + 40);
    await page.mouse.down();
    await page.mouse.move(from.x + from.width * 0.7, from.y + 40, { steps: 4 });
    await page.mouse.up();
    await until(() => new URL(location.href).searchParams.has('z'));
    await until(() => !document.querySelector('[data-testid=panel][data-status=loading]'));
    const tooltips = page.locator('[data-testid=tooltip]');
    for (const plot of [first, second, first]) {
      const box = await plot.boundingBox();
      await page.mouse.move(box.x + box.width * 0.5, box.y + 50, { steps: 3 });
      await tooltips.first().waitFor();
      assert.equal(await tooltips.count(), 1);
      // Redraws all charts under a pointer at rest: none may take it for its own.
      await page.keyboard.press('l');
      await page.keyboard.press('l');
      await addressHas('y', null);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
      assert.equal(await tooltips.count(), 1);
    }
    await page.keyboard.press('0');
    await addressHas('z', null);
    await ready();
  },
  async 'hides a run and keeps the choice in the address'() {
    const before = await page.locator('[data-testid=swatch][aria-checked=true]').count();
    await page.locator('[data-testid=swatch]').first().click();
    await until(
      (count) => document.querySelectorAll('[data-testid=swatch][aria-checked=true]').length === count,
      before - 1,
    );
    const address = page.url();
    await page.goto(address);
    await ready();
    assert.equal(await page.locator('[data-testid=swatch][aria-checked=true]').count(), before - 1);
    await page.goto(workspace);
    await ready();
  },
  async 'searches keys by keyboard and clears with Escape'() {
    const title = await page.locator('[data-testid=panel] h3').last().innerText();
    await page.keyboard.press('/');
    await page.keyboard.type(title);
    await addressHas('q', title);
    await page.locator('[data-testid=panel]').first().waitFor();
    await page.keyboard.press('Escape');
    await addressHas('q', null);
  },
  async 'finds no run for a search that none has'() {
    await page.fill('[data-testid=run-search]', '^no such run$');
    await page.getByText('No run matches').waitFor();
    await page.getByRole('button', { name: 'Clear search' }).click();
    await page.locator('[data-testid=run]').first().waitFor();
    await page.fill('[data-testid=run-search]', '^no such run$');
    await page.getByText('No run matches').waitFor();
    await page.press('[data-testid=run-search]', 'Escape');
    await addressHas('r', null);
    await page.locator('[data-testid=run]').first().waitFor();
  },
  async 'hints at an unfinished regex without asking for it'() {
    const asked = [];
    const note = (request) =>
      request.url().includes('runs:query') && asked.push(request.postDataJSON().search?.q);
    page.on('request', note);
    const count = await page.locator('[data-testid=run]').count();
    await page.locator('[data-testid=run-search]').pressSequentially('(run');
    await page.locator('[data-testid=run-search-hint]').waitFor();
    assert.equal(await page.locator('[data-testid=run]').count(), count);
    await page.locator('[data-testid=run-search]').pressSequentially(') 0');
    await page.locator('[data-testid=run-search-hint]').waitFor({ state: 'detached' });
    await until(() => document.querySelectorAll('[data-testid=run]').length === 1);
    page.off('request', note);
    assert.ok(!asked.includes('(run') && asked.includes('(run) 0'), asked.join());
    await page.fill('[data-testid=run-search]', '');
    await until((n) => document.querySelectorAll('[data-testid=run]').length === n, count);
  },
  async 'cuts off no label of x'() {
    for (const query of ['z=0:1000000', 'z=543200:543220', 'x=wall&z=1767607200000:1767607200500']) {
      await page.goto(`${workspace}?${query}`);
      await page.locator('[data-testid=panel][data-status=ready] canvas').first().waitFor();
      const edges = await page.locator('[data-testid=panel] canvas').evaluateAll((canvases) =>
        canvases.map((canvas) => {
          const { data } = canvas.getContext('2d').getImageData(canvas.width - 1, 0, 1, canvas.height);
          return data.some((byte) => byte > 0);
        }),
      );
      assert.ok(edges.length > 0 && !edges.includes(true), query);
    }
    await page.goto(workspace);
    await ready();
  },
  async 'changes the x axis and the scale of y'() {
    for (const axis of ['relative', 'wall', 'step']) {
      await page.selectOption('[data-testid=x-axis]', axis);
      await addressHas('x', axis === 'step' ? null : axis);
      await until(() => !document.querySelector('[data-testid=panel][data-status=loading]'));
      await ready();
    }
    await page.click('[data-testid=log-y]');
    await addressHas('y', 'log');
    await page.click('[data-testid=log-y]');
  },
  async 'folds a section, and a folded section holds no charts'() {
    const section = page.locator('[data-testid=section]').first();
    const name = await section.getAttribute('data-section');
    await section.locator('h2 button').click();
    await addressHas('fold', name);
    assert.equal(await section.locator('[data-testid=panel]').count(), 0);
    await section.locator('h2 button').click();
  },
  async 'enlarges a panel'() {
    await page
      .getByRole('button', { name: /^Enlarge/ })
      .first()
      .click();
    await page.locator('[data-testid=panel-dialog] canvas').waitFor();
    await page.keyboard.press('Escape');
    await addressHas('panel', null);
  },
  async 'reads a chart with the arrow keys'() {
    await page.locator('[data-testid=chart]').first().focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('[data-testid=tooltip]').waitFor();
    await page.keyboard.press('Escape');
  },
  async 'changes the theme and remembers it'() {
    const before = await page.evaluate(() => document.documentElement.dataset.theme);
    await page.keyboard.press('d');
    await page.reload();
    await ready();
    assert.notEqual(await page.evaluate(() => document.documentElement.dataset.theme), before);
  },
  async 'opens a run with its config, summary and charts'() {
    await page.locator('[data-testid=run] a').first().click();
    await page.locator('[data-testid=run-header][data-state]').waitFor();
    assert.equal(await page.locator('[data-testid=tree]').count(), 2);
    await ready();
    await page.goBack();
    await ready();
  },
  async 'goes through the projects page'() {
    await page.locator('.logo').click();
    await page.locator(`[data-testid=project][data-project="${project}"]`).click();
    await ready();
  },
  async 'logs out, and stays so'() {
    if (login === '-') return;
    await page.locator('[data-testid=log-out]').click();
    await page.locator('[data-testid=logged-out]').waitFor();
    assert.equal((await page.request.get(new URL('api/v1/session', root).href)).status(), 401);
    assert.equal(await page.locator('[data-testid=log-out]').count(), 0);
  },
};

await check(session, steps, { login });
