/**
 * Checks the Media tab of a run's page and the media of a workspace.
 *
 *   node e2e/media.mjs BASE_URL LOGIN_LINK ENTITY PROJECT
 *
 * The project has the runs that tests/e2e/test_browser_media.py logs: `a` and `b` with one of each kind, `many`
 * with 10,000 images a step. Prints how long a step of the slider took.
 */
import assert from 'node:assert/strict';
import { assertAccessible } from './accessible.mjs';
import { check, openSession, overflowOf, staysAt } from './session.mjs';

const [base, login, entity, project] = process.argv.slice(2);
if (!project) {
  console.error('usage: node e2e/media.mjs BASE_URL LOGIN_LINK ENTITY PROJECT');
  process.exit(2);
}
const root = `${base}/p/${encodeURIComponent(entity)}/${encodeURIComponent(project)}`;
const asked = [];

const session = await openSession({
  // WebGL is drawn in software.
  drawing: ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
  // What a sandboxed page is refused is what is tested.
  isExpected: (text) => /sandboxed|Blocked script execution/.test(text),
});
const { page } = session;
page.setDefaultTimeout(60_000);
staysAt(base, session);
page.on('request', (request) => asked.push(request.url()));

const panel = (key) => page.locator(`[data-testid=media-panel][data-key="${key}"]`);
const open = (run, query = '') => page.goto(`${root}/r/${run}?tab=media${query}`);
const only = (key) => `&q=${encodeURIComponent(`/^${key}$/`)}`;
const lightbox = page.locator('[data-testid=lightbox]');
const press = (key) => page.keyboard.press(key);
const state = async () => ({
  step: Number(await lightbox.getAttribute('data-step')),
  index: Number(await lightbox.getAttribute('data-index')),
  run: await lightbox.getAttribute('data-run'),
});
async function until(wanted, what = state) {
  let now;
  for (let i = 0; i < 200; i++) {
    now = await what();
    try {
      assert.deepEqual(now, wanted);
      return;
    } catch {
      await page.waitForTimeout(50);
    }
  }
  assert.deepEqual(now, wanted);
}
/** How many colours a part of the page has: one that is blank has very few. */
async function colours(locator) {
  const png = (await locator.screenshot({ timeout: 60_000 })).toString('base64');
  return await page.evaluate(async (text) => {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const ctx = canvas.getContext('2d');
    ctx.drawImage(bitmap, 0, 0);
    const { data } = ctx.getImageData(0, 0, bitmap.width, bitmap.height);
    const found = new Set();
    for (let i = 0; i < data.length; i += 4) found.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return found.size;
  }, png);
}

const steps = {
  async 'shows one panel for each key, and asks for no viewer that is not there'() {
    await open('a', only('images'));
    await panel('images').locator('img').first().waitFor();
    assert.equal(await page.locator('[data-testid=media-panel]').count(), 1);
    assert.deepEqual(
      asked.filter((url) => /3Dmol|ObjectView|plotly|Lightbox/.test(url)),
      [],
    );
  },
  async 'draws at most 60 images of 10,000, wherever one scrolls, and a step of the slider is soon there'() {
    await open('many');
    const grid = panel('grid').locator('[data-testid=image-grid]');
    await grid.locator('img').first().waitFor();
    assert.equal(await panel('grid').getAttribute('data-count'), '10000');
    for (const share of [0.3, 0.99, 0]) {
      await grid.evaluate(async (element, part) => {
        element.scrollTop = element.scrollHeight * part;
        // The scroll is told of in the next frame.
        for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
      }, share);
      await page.waitForFunction(() =>
        [...document.querySelectorAll('[data-testid=image-grid] [data-testid=thumb]')].every((one) =>
          one.querySelector('img'),
        ),
      );
      const count = await page.locator('img').count();
      assert.ok(count > 10 && count <= 60, `${count} images`);
    }
    const times = [];
    for (const place of [1, 0, 1]) {
      times.push(
        await page.evaluate(async (to) => {
          const slider = document.querySelector('[data-testid=media-panel] input[type=range]');
          const before = document.querySelector('[data-testid=thumb] img').src;
          const start = performance.now();
          slider.value = String(to);
          slider.dispatchEvent(new Event('input', { bubbles: true }));
          const now = () => document.querySelector('[data-testid=thumb] img');
          while (now().src === before || !now().complete) await new Promise(requestAnimationFrame);
          return performance.now() - start;
        }, place),
      );
    }
    console.log(`step ${times.map(Math.round).join(' ')} ms`);
  },
  async 'has a slider that stands on existing steps only, and says what it shows instead'() {
    await open('a', '&ms=charts:7');
    const images = panel('images');
    await images.scrollIntoViewIfNeeded();
    await images.locator('img').first().waitFor();
    assert.equal(await images.locator('[data-testid=miss]').innerText(), 'no image at 7, showing 4 (prev)');
    const slider = images.locator('[data-testid=step-slider]');
    const stands = () => slider.getAttribute('data-step');
    await until('4', stands);
    await slider.getByLabel('Next step').click();
    await until('8', stands);
    assert.equal(await slider.getByLabel('Next step').isDisabled(), true);
    await slider.getByLabel('Previous step').click();
    await until('4', stands);
    await slider.locator('input').focus();
    await press('Home');
    await until('0', stands);
    assert.match(page.url(), /mk=images:0/);
    await page.reload();
    await until('0', stands);
  },
  async 'opens an image, and its keys lead to others'() {
    await open('a', `${only('images')}&ms=charts:8`);
    await panel('images').locator('[data-testid=thumb]').nth(1).click();
    await until({ step: 8, index: 1, run: 'a' });
    await press('ArrowRight');
    await until({ step: 8, index: 2, run: 'a' });
    await press('ArrowRight');
    await press('ArrowLeft');
    await until({ step: 8, index: 1, run: 'a' });
    await press('[');
    await until({ step: 4, index: 1, run: 'a' });
    await press(']');
    await until({ step: 8, index: 1, run: 'a' });
    await press('Escape');
    await lightbox.waitFor({ state: 'detached' });
    await page.goBack();
    await until({ step: 8, index: 1, run: 'a' });
  },
  async 'shows boxes by class and score, and masks'() {
    await open('a', '&m=boxes,a,,0,0');
    await lightbox.locator('[data-testid=picture]').waitFor();
    const count = () => lightbox.locator('[data-testid=picture]').getAttribute('data-boxes');
    await until('4', count);
    await lightbox.locator('[data-testid=score]').fill('0.5');
    await until('2', count);
    await lightbox.locator('[data-testid=class]').first().click();
    await until('1', count);
    await press('b');
    await until('0', count);
    const middle = () =>
      lightbox.locator('[data-testid=picture]').evaluate((canvas) => {
        const ctx = canvas.getContext('2d');
        return [...ctx.getImageData(canvas.width / 2, canvas.height / 2 + 20, 1, 1).data].join(' ');
      });
    assert.notEqual(await middle(), '10 20 30 255');
    await press('m');
    await until('10 20 30 255', middle);
  },
  async 'draws boxes and masks on small pictures, until somebody hides them'() {
    await open('a', only('boxes'));
    const marks = panel('boxes').locator('[data-testid=thumb-marks]');
    const drawn = () => marks.evaluate(({ dataset }) => `${dataset.boxes} ${dataset.masks}`);
    await marks.waitFor();
    await until('4 1', drawn);
    /** How many pixels of the layer are not clear. */
    const painted = () =>
      marks.evaluate((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let i = 3; i < data.length; i += 4) if (data[i] > 0) count += 1;
        return count / (data.length / 4) > 0.2;
      });
    await until(true, painted);
    await panel('boxes').locator('[data-testid=marks-toggle]').click();
    await marks.waitFor({ state: 'detached' });
    assert.match(page.url(), /mb=0/);
    await page.reload();
    await panel('boxes').locator('img').waitFor();
    assert.equal(await marks.count(), 0);
    await panel('boxes').locator('[data-testid=marks-toggle]').click();
    await until('4 1', drawn);
    await open('a', only('images'));
    await panel('images').locator('img').first().waitFor();
    assert.equal(await panel('images').locator('[data-testid=marks-toggle]').count(), 0);
  },
  async 'reads the pixel under the pointer'() {
    await open('a', '&m=boxes,a,,0,0');
    const picture = lightbox.locator('[data-testid=picture]');
    await picture.waitFor();
    const { x, y, width, height } = await picture.boundingBox();
    await page.mouse.move(x + width / 2, y + height / 2);
    assert.match(await lightbox.locator('[data-testid=pixel]').innerText(), /^16, 16\s+10 20 30\s+road/);
  },
  async 'wipes and takes the difference, of another run'() {
    await page.goto(`${root}/workspace?sel=a,b&m=images,a,,8,0`);
    await lightbox.locator('[data-testid=picture]').waitFor();
    await page.waitForLoadState('networkidle'); // what the other run has is known
    await press('ArrowDown');
    await until({ step: 8, index: 0, run: 'b' });
    await press('ArrowDown');
    await until({ step: 8, index: 0, run: 'a' });
    const drawn = () => lightbox.locator('[data-testid=picture]').evaluate((canvas) => canvas.toDataURL());
    await until('true', () => lightbox.getAttribute('data-loaded'));
    const own = await drawn();
    const seen = [own];
    for (const [key, mode] of [
      ['w', 'wipe'],
      ['x', 'difference'],
    ]) {
      await press(key);
      await until(mode, () => lightbox.getAttribute('data-compare'));
      await until(false, async () => seen.includes(await drawn()));
      seen.push(await drawn());
    }
    await press('x');
    await until(own, drawn);
  },
  async 'has runs as rows and steps as columns in the workspace'() {
    await page.goto(`${root}/workspace?sel=a,b&q=${encodeURIComponent('/^images$/')}&mx=images`);
    const matrix = page.locator('[data-testid=matrix]');
    await matrix.locator('img').first().waitFor();
    assert.equal(await matrix.locator('tbody tr').count(), 2);
    assert.deepEqual(await matrix.locator('thead th').allInnerTexts(), ['Run', '0', '4', '8']);
    await page.waitForFunction(() => document.querySelectorAll('[data-testid=matrix] img').length === 6);
  },
  async 'gives a logged page nothing of this one'() {
    await open('a', only('page'));
    const frame = panel('page').locator('iframe');
    await frame.waitFor();
    assert.equal(await frame.getAttribute('sandbox'), 'allow-scripts');
    const said = page.frameLocator('iframe').locator('#said');
    await said.waitFor();
    assert.deepEqual(JSON.parse(await said.innerText()), {
      cookie: 'SecurityError',
      storage: 'SecurityError',
      parent: 'SecurityError',
      origin: 'null',
    });
    assert.equal(await page.evaluate(() => globalThis.stolen), undefined);
  },
  async 'shows the page that goes with a figure of Bokeh'() {
    await open('a', only('plot'));
    await page
      .frameLocator('[data-testid=page-frame]')
      .locator('.bk-Figure, [data-root-id]')
      .first()
      .waitFor();
    await until(true, async () => (await colours(panel('plot').locator('iframe'))) > 8);
  },
  async 'runs no script of a drawing'() {
    await open('a', only('drawing'));
    const image = panel('drawing').locator('img');
    await image.waitFor();
    await page.waitForFunction(() => document.querySelector('[data-key=drawing] img').naturalWidth === 40);
    await page.goto((await image.getAttribute('src')).replace(/^\//, `${base}/`));
    assert.equal(await page.evaluate(() => document.documentElement.getAttribute('data-ran')), null);
  },
  async 'draws histograms over steps, and reads them'() {
    await open('a', only('weights'));
    const figure = panel('weights').locator('[data-testid=histogram]');
    await figure.waitFor();
    assert.equal(await figure.getAttribute('data-columns'), '9');
    assert.ok((await colours(figure)) > 20);
    await figure.focus();
    await press('ArrowLeft');
    assert.match(await panel('weights').locator('[data-testid=histogram-tip]').innerText(), /step 8/);
    await press('ArrowLeft');
    assert.match(await panel('weights').locator('[data-testid=histogram-tip]').innerText(), /step 7/);
  },
  async 'draws histograms one behind another, and reads them'() {
    await open('a', only('weights'));
    await panel('weights').locator('[data-testid=ridges-toggle]').click();
    const figure = panel('weights').locator('[data-testid=ridges]');
    await figure.waitFor();
    assert.equal(await figure.getAttribute('data-ridges'), '9');
    assert.ok((await colours(figure)) > 20);
    await figure.focus();
    await press('ArrowUp');
    await press('ArrowUp');
    assert.match(await panel('weights').locator('[data-testid=ridge-tip]').innerText(), /^step 7\s+median/);
    assert.match(page.url(), /mr=weights/);
    await assertAccessible(page, 'ridges');
    await panel('weights').locator('[data-testid=ridges-toggle]').click();
    await panel('weights').locator('[data-testid=histogram]').waitFor();
  },
  async 'plays sounds and videos'() {
    await open('a', `&q=${encodeURIComponent('/^(sound|clip)$/')}`);
    const wave = panel('sound').locator('[data-testid=waveform]');
    await wave.waitFor();
    assert.ok((await colours(wave)) > 2);
    const video = panel('clip').locator('[data-testid=video]');
    await page.waitForFunction(() => document.querySelector('[data-key=clip] img')?.naturalWidth === 8);
    assert.ok((await colours(video)) > 1);
  },
  async 'draws figures, objects, point clouds and molecules, each by its own chunk, and frees them'() {
    const viewers = {
      figure: [/plotly-strict/, '[data-testid=plotly][data-status=ready]'],
      mesh: [/ObjectView/, '[data-testid=object3d][data-status=ready]'],
      cloud: [/points\.worker/, '[data-testid=object3d][data-status=ready]'],
      molecule: [/3Dmol/, '[data-testid=molecule][data-status=ready]'],
      chain: [/3Dmol/, '[data-testid=molecule][data-status=ready]'],
    };
    for (const [key, [chunk, ready]] of Object.entries(viewers)) {
      await open('a', only(key));
      const viewer = panel(key).locator(ready);
      await viewer.waitFor();
      assert.ok(
        asked.some((url) => chunk.test(url)),
        `${key} has no chunk of its own`,
      );
      await until(true, async () => (await colours(viewer)) > 8);
      await page.locator('#key-search').fill('/^page$/');
      await page.locator('iframe').waitFor();
      assert.equal(await page.locator(`${ready}, main canvas`).count(), 0);
    }
    await open('a', only('layers'));
    await panel('layers').locator('tbody tr').first().waitFor();
    assert.equal(await panel('layers').locator('tbody tr').count(), 2);
    await open('a', only('other'));
    await panel('other').locator('[data-testid=file-card]').waitFor();
  },
  async 'enlarges what is no image, goes to other runs, and closes'() {
    const viewers = {
      sound: '[data-testid=waveform]',
      clip: '[data-testid=video]',
      page: '[data-testid=page-frame]',
      figure: '[data-testid=plotly][data-status=ready]',
      mesh: '[data-testid=object3d][data-status=ready]',
      molecule: '[data-testid=molecule][data-status=ready]',
    };
    const enlarged = page.locator('[data-testid=enlarged]');
    for (const [key, ready] of Object.entries(viewers)) {
      await open('a', only(key));
      await panel(key).locator('[data-testid=enlarge]').click();
      await enlarged.locator(ready).waitFor();
      const { width } = await enlarged.locator(ready).boundingBox();
      assert.ok(width > 1000, `${key} is ${width} pixels wide`);
      await enlarged.getByRole('button', { name: 'Close' }).click();
      await enlarged.waitFor({ state: 'detached' });
      await panel(key).locator(ready).waitFor();
    }
    await page.goto(`${root}/workspace?sel=a,b&m=page,a,,0,0`);
    await enlarged.locator('iframe').waitFor();
    await page.waitForLoadState('networkidle'); // what the other run has is known
    await press('ArrowDown');
    await until('b', () => enlarged.getAttribute('data-run'));
    await assertAccessible(page, 'enlarged');
    await press('Escape');
    await enlarged.waitFor({ state: 'detached' });
    assert.doesNotMatch(page.url(), /[?&]m=/);
  },
  async 'keeps nobody out'() {
    await open('a', `&q=${encodeURIComponent('/^(images|boxes|weights|sound|clip|layers|other)$/')}`);
    for (const key of ['images', 'boxes', 'weights']) {
      await panel(key).scrollIntoViewIfNeeded();
      await panel(key).locator('img, canvas').first().waitFor();
    }
    await assertAccessible(page, 'the Media tab');
    await open('a', '&m=boxes,a,,0,0');
    await lightbox.locator('[data-testid=picture]').waitFor();
    await assertAccessible(page, 'the lightbox');
  },
  async 'fits a narrow window'() {
    await page.setViewportSize({ width: 360, height: 740 });
    await open('a', `&q=${encodeURIComponent('/^(images|weights|sound|page)$/')}`);
    await panel('images').locator('img').first().waitFor();
    const overflow = () => overflowOf(page);
    assert.equal(await overflow(), 0);
    await panel('images').locator('[data-testid=thumb]').first().click();
    await lightbox.locator('[data-testid=picture]').waitFor();
    assert.equal(await overflow(), 0);
    await page.setViewportSize({ width: 1440, height: 900 });
  },
};

await check(session, steps, { login });
