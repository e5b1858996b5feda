/**
 * Checks the way between the charts of a run and its output, in both directions. Reads only.
 *
 *   node e2e/moments.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN SILENT
 *
 * RUN has logged `loss` and `acc` and printed lines between its steps, some of them of level ERROR, and has samples of
 * its system. SILENT has logged `loss` and printed nothing.
 */
import assert from 'node:assert/strict';
import { assertAccessible } from './accessible.mjs';
import { check, openSession, overflowOf } from './session.mjs';

const [base, login, entity, project, run, silent] = process.argv.slice(2);
if (!silent) {
  console.error('usage: node e2e/moments.mjs BASE_URL LOGIN_LINK ENTITY PROJECT RUN SILENT');
  process.exit(2);
}
const pathOf = (...parts) => parts.map(encodeURIComponent).join('/');
const addressOf = (id) => new URL(pathOf('p', entity, project, 'r', id), `${base}/`).href;
const charts = addressOf(run);

const session = await openSession();
const { page } = session;

async function ask(what, id = run) {
  const path = `api/v1/projects/${pathOf(entity, project)}/runs/${encodeURIComponent(id)}${what && `/${what}`}`;
  const answer = await page.request.get(new URL(path, `${base}/`).href);
  assert.ok(answer.ok(), `${what}: ${answer.status()}`);
  return answer;
}
/** All that was printed, and all that was logged: each line and each row with its time in milliseconds. */
async function timesOf() {
  const { lines } = await (await ask('logs?limit=5000')).json();
  const rows = (await (await ask('history?limit=5000')).text()).trim().split('\n').map(JSON.parse);
  return {
    lines: lines.map(([number, wall, , , text]) => ({ number, wall, text })),
    steps: rows.map((row) => ({ step: row._step, wall: row._timestamp * 1000 })),
  };
}
const nearestLine = (lines, wall) =>
  lines.reduce((best, line) => (Math.abs(line.wall - wall) < Math.abs(best.wall - wall) ? line : best));
const lastStep = (steps, wall) => steps.filter((one) => one.wall <= wall).at(-1).step;

const query = () => new URL(page.url()).searchParams;
const at = () => {
  const [step, wall] = query().get('at').split(':');
  return { step: step && Number(step), wall: Number(wall) };
};
const bar = page.locator('[data-testid=moment-bar]');
const go = page.locator('[data-testid=moment-go]');
const marks = (key) => page.locator(`[data-key="${key}"] [data-testid=moment-mark]`);
const plot = (key) => page.locator(`[data-testid=panel][data-key="${key}"] .u-over`);
async function opened(address, key = 'loss') {
  await page.goto(address);
  await page.locator(`[data-testid=panel][data-key="${key}"][data-status=ready]`).first().waitFor();
  await plot(key).first().waitFor();
}
async function pointAt(key, share) {
  await plot(key).first().scrollIntoViewIfNeeded();
  const { x, y, width, height } = await plot(key).first().boundingBox();
  await page.mouse.move(x + width * share - 5, y + height / 2);
  await page.mouse.move(x + width * share, y + height / 2);
  await page.locator('[data-testid=tooltip]').waitFor();
}
const markedAt = async (key) => Number(await marks(key).first().getAttribute('data-x'));
const times = () => page.waitForFunction(() => /at=/.test(location.search));
/** The output is open at a line, which is on screen, and the moment is marked where it lies. */
async function isOpenAt(line, wall, lines) {
  await page.waitForFunction((hash) => location.hash === hash, `#L${line.number}`);
  assert.equal(query().get('tab'), 'logs');
  const row = page.locator(`[data-line="${line.number}"][aria-current=true]`);
  await row.waitFor();
  const mark = page.locator('[data-testid=log-moment]');
  await mark.waitFor();
  const [box, place] = [
    await page.locator('[data-testid=log-lines]').boundingBox(),
    await mark.boundingBox(),
  ];
  assert.ok(place.y >= box.y && place.y <= box.y + box.height, 'the moment is on screen');
  const beside = Number(await mark.locator('xpath=..').getAttribute('data-line'));
  if (lines[0].wall > wall) return assert.equal(beside, 0);
  const before = lines.filter((one) => one.wall <= wall).at(-1);
  assert.equal(beside, before.number);
}

const steps = {
  async 'marks the moment of a point that is clicked, in all charts'() {
    await opened(charts);
    await pointAt('loss', 0.4);
    const read = /step ([\d,]+)/.exec(await page.locator('[data-testid=tooltip] .head').innerText());
    await page.mouse.down();
    await page.mouse.up();
    await bar.waitFor();
    const step = Number(read[1].replace(',', ''));
    assert.equal(at().step, step);
    assert.deepEqual([await markedAt('loss'), await markedAt('acc')], [step, step]);
    const { wall } = await (await ask(`steps/at?step=${step}&key=loss`)).json();
    assert.equal(at().wall, wall);
    await assertAccessible(page, 'charts with a marked moment');
  },
  async 'opens the output at the line nearest to it, where it is marked'() {
    const { lines } = await timesOf();
    const { wall } = at();
    await go.click();
    await isOpenAt(nearestLine(lines, wall), wall, lines);
    await assertAccessible(page, 'output with a marked moment');
    const address = page.url();
    await page.reload();
    await isOpenAt(nearestLine(lines, wall), wall, lines);
    assert.equal(page.url(), address);
  },
  async 'goes back to what was before'() {
    await page.goBack();
    await page.locator('[data-testid=tab-charts]').waitFor();
    await marks('loss').waitFor();
    await page.goForward();
    await page.locator('[data-testid=log-moment]').waitFor();
  },
  async 'opens the charts from a line at the step that was logged last'() {
    const { lines, steps } = await timesOf();
    const line = lines[Math.floor(lines.length / 2)];
    await page.goto(`${charts}?tab=logs#L${line.number}`);
    const row = page.locator(`[data-line="${line.number}"]`);
    await row.waitFor();
    // With the keyboard: the link behind that of the line's number.
    await row.locator('.at').focus();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), 'log-charts');
    await page.keyboard.press('Enter');
    await page.locator('[data-testid=tab-charts]').waitFor();
    await marks('loss').waitFor();
    assert.equal(at().wall, line.wall);
    assert.equal(await markedAt('loss'), lastStep(steps, line.wall));
    await bar.getByText(`step ${lastStep(steps, line.wall)}`).waitFor();
    await page.reload();
    await marks('acc').waitFor();
    assert.equal(await markedAt('acc'), lastStep(steps, line.wall));
    // And from there to the same line.
    await go.click();
    await isOpenAt(line, line.wall, lines);
  },
  async 'says when nothing was logged before'() {
    const { lines, steps } = await timesOf();
    assert.ok(lines[0].wall < steps[0].wall);
    await opened(`${charts}?at=:${lines[0].wall}`);
    await bar.getByText('before the first step').waitFor();
    assert.equal(await page.locator('[data-testid=moment-mark]').count(), 0);
  },
  async 'goes from a chart to the output with the keyboard'() {
    const { lines } = await timesOf();
    await opened(charts);
    await page.locator('[data-testid=panel][data-key=loss] [data-testid=chart]').focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await bar.waitFor();
    assert.equal(at().step, 4);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('o');
    const { wall } = await (await ask('steps/at?step=5&key=loss')).json();
    await isOpenAt(nearestLine(lines, wall), wall, lines);
    assert.equal(at().step, 5);
  },
  async 'shows the output of what is under the pointer'() {
    const { lines } = await timesOf();
    await opened(charts);
    await pointAt('acc', 0.7);
    await page.keyboard.press('o');
    await times();
    const { step, wall } = at();
    assert.ok(step > 0);
    await isOpenAt(nearestLine(lines, wall), wall, lines);
  },
  async 'looks for it among the lines of a level'() {
    const { lines } = await timesOf();
    const errors = lines.filter(({ text }) => text.includes('ERROR'));
    assert.ok(errors.length > 3);
    await opened(`${charts}?lv=error`);
    await pointAt('loss', 0.5);
    await page.keyboard.press('o');
    await times();
    await isOpenAt(nearestLine(errors, at().wall), at().wall, errors);
    assert.equal(query().get('lv'), 'error');
  },
  async 'marks it on every axis, and in the charts of the system'() {
    await opened(charts);
    await pointAt('loss', 0.5);
    await page.mouse.down();
    await page.mouse.up();
    await bar.waitFor();
    const { step, wall } = at();
    const { relative_zero: zero } = await (await ask('')).json();
    for (const [axis, x] of [
      ['wall', wall],
      ['relative', wall - zero * 1000],
      ['step', step],
    ]) {
      await page.getByLabel('x axis').selectOption(axis);
      await page.waitForFunction((wanted) => {
        const [mark] = document.querySelectorAll('[data-testid=moment-mark]');
        return mark && Math.abs(mark.dataset.x - wanted) < 0.01;
      }, x);
    }
    await page.keyboard.press('3');
    await page.locator('[data-testid=tab-system] [data-testid=moment-mark]').first().waitFor();
    const { lines } = await timesOf();
    await go.click();
    await isOpenAt(nearestLine(lines, wall), wall, lines);
    // Of a sample.
    await opened(`${charts}?tab=system`, 'memory_percent');
    await pointAt('memory_percent', 0.5);
    await page.keyboard.press('o');
    await times();
    await isOpenAt(nearestLine(lines, at().wall), at().wall, lines);
  },
  async 'does so in the enlarged view'() {
    const { lines } = await timesOf();
    await opened(charts);
    await page.getByLabel('Enlarge loss').click();
    const over = page.locator('[data-testid=panel-dialog] .u-over');
    await over.waitFor();
    await over.click();
    await bar.waitFor();
    await page.locator('[data-testid=panel-dialog] [data-testid=moment-mark]').waitFor();
    const { wall } = at();
    await page.locator('[data-testid=panel-dialog] [data-testid=moment-go]').click();
    await isOpenAt(nearestLine(lines, wall), wall, lines);
    assert.equal(query().get('panel'), null);
  },
  async 'a drag zooms and marks nothing, and the mark can be taken away'() {
    await opened(charts);
    const { x, y, width } = await plot('loss').boundingBox();
    await page.mouse.move(x + width * 0.2, y + 40);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.6, y + 40, { steps: 5 });
    await page.mouse.up();
    await page.locator('[data-testid=zoom-reset]').waitFor();
    assert.equal(query().get('at'), null);
    await plot('loss').click();
    await bar.waitFor();
    await page.getByLabel('Unmark the moment').click();
    await bar.waitFor({ state: 'detached' });
    assert.equal(query().get('at'), null);
    assert.notEqual(query().get('z'), null);
  },
  async 'opens the output of a run that has none'() {
    await opened(addressOf(silent));
    await pointAt('loss', 0.5);
    await page.keyboard.press('o');
    await page.locator('[data-testid=tab-logs]').getByText('No output captured').waitFor();
    assert.equal(new URL(page.url()).hash, '');
  },
  async 'fits a narrow window'() {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const tab of ['charts', 'logs', 'system']) {
      await page.goto(`${charts}?tab=${tab}&at=5:`);
      await bar.waitFor();
      const [overflow, box] = [await overflowOf(page), await bar.boundingBox()];
      assert.equal(overflow, 0, tab);
      assert.ok(box.x >= 0 && box.x + box.width <= 360, tab);
    }
  },
};

await check(session, steps, { login });
