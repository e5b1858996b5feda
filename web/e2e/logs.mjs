/**
 * Checks the Logs and Files tabs of runs' pages, their alerts, and the banner of one that failed. Reads only.
 *
 *   node e2e/logs.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EXPECTED
 *
 * EXPECTED is JSON: `{"total": lines of RUN, "last": its last line, "colored": {"text": text, "look": class of it},
 * "bar": {"line": number of a rewritten line, "updates": count, "before": text of it before}, "search": {"q": text,
 * "matched": count}, "stderr": lines, "errors": lines that name one, "live": id of a run that prints all the time or null, "failed": {"run": id,
 * "says": text of the banner, "hint": text, "last": last line} or null}`.
 */
import assert from 'node:assert/strict';
import { check, openSession, overflowOf } from './session.mjs';

const [base, login, entity, project, run, expected] = process.argv.slice(2);
if (!expected) {
  console.error('usage: node e2e/logs.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN EXPECTED');
  process.exit(2);
}
const { total, last, colored, bar, search, stderr, errors, live, failed } = JSON.parse(expected);
const addressOf = (id) =>
  new URL(['p', entity, project, 'r', id].map(encodeURIComponent).join('/'), `${base}/`).href;
const logs = `${addressOf(run)}?tab=logs`;

const session = await openSession();
const { page, faults } = session;
const list = page.locator('[data-testid=log-lines]');
const line = (number) => page.locator(`[data-line="${number}"]`);
const count = (text) => page.locator('[data-testid=log-count]', { hasText: text }).waitFor();
/** The numbers of the lines that are wholly on screen. */
const onScreen = () =>
  list.evaluate((box) => {
    const { top, bottom } = box.getBoundingClientRect();
    return [...box.querySelectorAll('[data-line]')]
      .filter((row) => {
        const place = row.getBoundingClientRect();
        return place.top >= top - 1 && place.bottom <= bottom + 1;
      })
      .map((row) => Number(row.dataset.line));
  });
async function isOnScreen(number) {
  await line(number).waitFor();
  await page.waitForFunction(
    ([box, row]) => {
      const [outer, inner] = [box, row].map((one) => document.querySelector(one)?.getBoundingClientRect());
      return outer && inner && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
    },
    ['[data-testid=log-lines]', `[data-line="${number}"]`],
  );
}
const follows = (value) => page.locator(`[data-testid=log-lines][data-follows=${value}]`).waitFor();

const steps = {
  async 'opens at the tail'() {
    await page.goto(logs);
    await isOnScreen(total - 1);
    assert.ok((await line(total - 1).innerText()).includes(last));
    assert.equal((await onScreen()).at(-1), total - 1);
  },
  async 'opens at the line of the address, and shows colours'() {
    await page.goto(`${logs}#L${bar.line}`);
    await isOnScreen(bar.line);
    assert.equal(await line(bar.line).getAttribute('aria-current'), 'true');
    await list.focus();
    await page.keyboard.press('Home');
    const span = list.locator(`.${colored.look}`, { hasText: colored.text }).first();
    await span.waitFor();
    const [own, plain] = await span.evaluate((text) => [
      getComputedStyle(text).color,
      getComputedStyle(text.closest('[data-line]')).color,
    ]);
    assert.notEqual(own, plain);
  },
  async 'has one line of a progress bar, which says what it was'() {
    await page.goto(`${logs}#L${bar.line}`);
    const updates = line(bar.line).locator('[data-testid=log-rewrites]');
    assert.equal((await updates.innerText()).trim(), `×${bar.updates} updates`);
    await updates.click();
    await line(bar.line).locator('[data-testid=log-versions] li', { hasText: bar.before }).first().waitFor();
    await updates.click();
    await page.locator('[data-testid=log-versions]').waitFor({ state: 'detached' });
  },
  async 'puts the line that is clicked into the address'() {
    await line(bar.line + 1)
      .locator('a.at')
      .click();
    assert.equal(new URL(page.url()).hash, `#L${bar.line + 1}`);
    await page.reload();
    await isOnScreen(bar.line + 1);
  },
  async 'searches, goes from match to match, and maps them'() {
    await page.keyboard.press('/');
    await page.keyboard.type(search.q);
    await count(`of ${search.matched}`);
    const marks = await page.locator('[data-testid=log-map] span').count();
    assert.ok(marks > 0 && marks <= search.matched);
    const chosen = () => list.locator('[aria-current=true]').evaluateAll((rows) => rows.length);
    assert.ok((await chosen()) > 0);
    const at = async () =>
      Number(/^[\d,]+/.exec(await page.locator('[data-testid=log-count]').innerText())[0].replace(',', ''));
    const before = await at();
    await page.keyboard.press('Enter');
    await count(`${(before % search.matched) + 1} of`);
    await page.keyboard.press('Shift+Enter');
    await count(`${before} of`);
    await list.focus();
    await page.keyboard.press('F3');
    await count(`${(before % search.matched) + 1} of`);
    const map = await page.locator('[data-testid=log-map]').boundingBox();
    await page.locator('[data-testid=log-map]').click({ position: { x: 5, y: map.height - 2 } });
    await count(`${search.matched} of ${search.matched}`);
  },
  async 'searches by a regular expression, and says when it is none'() {
    const field = page.locator('[data-testid=log-search]');
    await field.fill(`/${[...search.q].map((letter) => `[${letter}]`).join('')}/`);
    await count(`of ${search.matched}`);
    await field.fill('/(/');
    await page.locator('[data-testid=log-search][aria-invalid=true]').waitFor();
    assert.equal(
      faults.splice(0).every((fault) => fault.includes('400') || fault.includes('422')),
      true,
    );
    await field.fill('no such text in it');
    await count('no match');
    await page.keyboard.press('Escape');
  },
  async 'shows one stream alone, and the time'() {
    await page.locator('[data-testid=log-stream]').selectOption('err');
    await page.waitForFunction(() => {
      const rows = [...document.querySelectorAll('[data-line]')];
      return rows.length > 0 && rows.every((row) => row.classList.contains('err'));
    });
    await list.focus();
    await page.keyboard.press('End');
    await list.locator(`[data-place="${stderr - 1}"][data-line]`).waitFor();
    assert.equal(await list.locator(`[data-place="${stderr}"]`).count(), 0);
    await page.keyboard.press('t');
    await list
      .locator('.time', { hasText: /^\d:\d\d:\d\d\.\d{3}$/ })
      .first()
      .waitFor();
    assert.equal(new URL(page.url()).searchParams.get('lt'), 'relative');
    await page.goto(logs);
  },
  async 'shows the lines of a level, at which a line is gone to as well'() {
    await page.locator('[data-testid=log-level]').selectOption('error');
    await list.focus();
    await page.keyboard.press('End');
    await list.locator(`[data-place="${errors - 1}"][data-line]`).waitFor();
    assert.equal(await list.locator(`[data-place="${errors}"]`).count(), 0);
    assert.equal(new URL(page.url()).searchParams.get('lv'), 'error');
    const last = list.locator(`[data-place="${errors - 1}"]`);
    assert.match(await last.innerText(), /error/i);
    const number = await last.getAttribute('data-line');
    await last.locator('a.at').click();
    await page.locator('[data-testid=log-level]').selectOption('all');
    await list.locator(`[data-line="${number}"][aria-current=true]`).waitFor();
    await page.goto(logs);
  },
  async 'breaks long lines'() {
    await isOnScreen(total - 1);
    await page.keyboard.press('w');
    await page.locator('[data-testid=log-wrap][aria-pressed=true]').waitFor();
    await isOnScreen(total - 1);
    await list.focus();
    await page.keyboard.press('Home');
    await isOnScreen(0);
    const wide = await list.evaluate((box) => box.scrollWidth - box.clientWidth);
    assert.equal(wide, 0);
    await page.keyboard.press('w');
  },
  async 'scrolls back and forth without a gap'() {
    await page.goto(`${logs}#L${Math.floor(total / 2)}`);
    await isOnScreen(Math.floor(total / 2));
    await list.hover();
    for (const delta of [600, 600, -600, -600, -600, 90, -90]) {
      const before = (await onScreen())[0];
      await page.mouse.wheel(0, delta);
      let numbers = await onScreen();
      while (numbers.length === 0 || numbers[0] === before) numbers = await onScreen();
      assert.deepEqual(
        numbers,
        numbers.map((_, i) => numbers[0] + i),
      );
    }
  },
  async 'downloads all of it'() {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('[data-testid=log-download]').click(),
    ]);
    assert.equal(download.suggestedFilename(), `${run}.log`);
  },
  async 'follows a run that goes on until it is scrolled up'() {
    if (!live) return;
    await page.goto(`${addressOf(live)}?tab=logs`);
    await follows(true);
    await list.locator('[data-line]').first().waitFor();
    const first = (await onScreen()).at(-1);
    await page.waitForFunction(
      (number) => [...document.querySelectorAll('[data-line]')].some((row) => row.dataset.line > number + 4),
      first,
    );
    await list.hover();
    await page.mouse.wheel(0, -400);
    await follows(false);
    const still = (await onScreen())[0];
    await page.locator('[data-testid=log-end]', { hasText: /new lines?/ }).waitFor();
    assert.equal((await onScreen())[0], still);
    await page.locator('[data-testid=log-end]').click();
    await follows(true);
    await page.locator('[data-testid=log-end]').waitFor({ state: 'detached' });
  },
  async 'tells of a new alert at once'() {
    if (!live) return;
    const toast = page.locator('[data-testid=toast]').first();
    await toast.waitFor();
    assert.equal(await toast.getAttribute('role'), 'alert');
    await page.locator('[data-testid=alert-count]').waitFor();
    await toast.getByLabel('Dismiss').click();
  },
  async 'says of a failed run what happened'() {
    if (!failed) return;
    await page.goto(addressOf(failed.run));
    const banner = page.locator('[data-testid=ending]', { hasText: failed.says });
    await banner.waitFor();
    await banner.locator('[data-testid=ending-hints] li', { hasText: failed.hint }).waitFor();
    await banner.locator('[data-testid=ending-lines]', { hasText: failed.last }).waitFor();
    const link = banner.locator('[data-testid=ending-link]');
    const { hash } = new URL(await link.evaluate((a) => a.href));
    await link.click();
    await isOnScreen(Number(hash.slice(2)));
    assert.equal(new URL(page.url()).hash, hash);
  },
  async 'lists the files and shows one'() {
    await page.goto(`${addressOf(run)}?tab=files`);
    await page.locator('[data-testid=files] button', { hasText: 'requirements.txt' }).click();
    await page.locator('[data-file="requirements.txt"] pre', { hasText: '==' }).waitFor();
    assert.match(new URL(page.url()).searchParams.get('file'), /requirements\.txt$/);
  },
  async 'fits a narrow window'() {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const address of [logs, `${addressOf(run)}?tab=files`, ...(failed ? [addressOf(failed.run)] : [])]) {
      await page.goto(address);
      await page.locator('[data-line], [data-testid=file-view], [data-testid=ending-link]').first().waitFor();
      const overflow = await overflowOf(page);
      assert.equal(overflow, 0, address);
    }
  },
};

await check(session, steps, { login });
