/**
 * Checks media that are not as they should be: marks that cannot be read.
 *
 *   node e2e/oddMedia.mjs BASE_URL LOGIN_LINK ENTITY PROJECT [SHOTS_FOLDER]
 *
 * The project has the run `odd` that tests/e2e/test_browser_odd_media.py logs.
 */
import assert from 'node:assert/strict';
import { assertAccessible } from './accessible.mjs';
import { check, openSession } from './session.mjs';

const [base, login, entity, project, shots] = process.argv.slice(2);
if (!project) {
  console.error('usage: node e2e/oddMedia.mjs BASE_URL LOGIN_LINK ENTITY PROJECT [SHOTS_FOLDER]');
  process.exit(2);
}
const address = new URL(['p', entity, project, 'r', 'odd'].map(encodeURIComponent).join('/'), `${base}/`)
  .href;

const session = await openSession();
const { page } = session;
page.setDefaultTimeout(20_000);
const lightbox = page.locator('[data-testid=lightbox]');
const picture = lightbox.locator('[data-testid=picture]');
const note = lightbox.locator('[data-testid=picture-note]');
const open = (query) => page.goto(`${address}?tab=media${query}`);
const shot = (name) => (shots ? page.screenshot({ path: `${shots}/${name}.png` }) : undefined);

const steps = {
  async 'a box without a place is left out, a score that is NaN is none'() {
    await open('&m=nan_boxes,odd,,0,0');
    await note.getByText('1 box of “found” has no place and is not drawn.').waitFor();
    assert.equal(await picture.getAttribute('data-boxes'), '1');
    assert.equal(await lightbox.locator('[data-testid=score]').count(), 1);
    await assertAccessible(page, 'the lightbox with a note');
    await shot('nan-boxes');
  },
  async 'marks that cannot be read do not hide the picture'() {
    await open('&m=broken_marks,odd,,0,0');
    await note.getByText('The boxes “found” cannot be read:').waitFor();
    await note.getByText('The mask “truth” cannot be read:').waitFor();
    assert.equal(await picture.getAttribute('data-boxes'), '1');
    await lightbox.getByText('cat', { exact: true }).waitFor();
    await shot('broken-marks');
  },
  async 'pictures of two sizes are compared at one scale'() {
    const colors = (places) =>
      picture.evaluate((canvas, asked) => {
        const ctx = canvas.getContext('2d');
        const scale = Number(canvas.dataset.scale) * devicePixelRatio;
        // Both together are 32 × 16 pixels in the middle.
        const [left, top] = [(canvas.width - 32 * scale) / 2, (canvas.height - 16 * scale) / 2];
        return asked.map(([x, y]) =>
          [...ctx.getImageData(left + (x + 0.5) * scale, top + (y + 0.5) * scale, 1, 1).data].join(' '),
        );
      }, places);
    /** Left of all, in both, in the wide one only, in the high one only, in none. */
    const places = [
      [1, 1],
      [14, 6],
      [30, 6],
      [14, 14],
      [30, 14],
    ];
    await open('&m=sizes,odd,,2,0');
    await picture.waitFor();
    assert.equal(await note.count(), 0);
    await page.waitForLoadState('networkidle'); // what the other step has is known
    await page.keyboard.press('w');
    await note.getByText('This image is 16 × 16, the other 32 × 8').waitFor();
    const clear = '0 0 0 0';
    const [blue, red] = ['0 0 200 255', '200 0 0 255'];
    // The line is at half of 32.
    assert.deepEqual(await colors(places), [blue, blue, red, blue, clear]);
    await shot('wipe');
    await page.keyboard.press('x');
    await note.waitFor();
    const [first, both, wide, high, none] = await colors(places);
    assert.deepEqual([first, both, none], ['200 0 200 255', '200 0 200 255', clear]);
    for (const hatched of [wide, high]) assert.ok(![red, blue, '200 0 200 255'].includes(hatched), hatched);
    const { x, y, width, height } = await picture.boundingBox();
    const scale = Number(await picture.getAttribute('data-scale'));
    await page.mouse.move(x + width / 2 + 14.5 * scale, y + height / 2 - 1.5 * scale);
    assert.match(await lightbox.locator('[data-testid=pixel]').innerText(), /^30, 6\s+absent\s+200 0 0/);
    await shot('difference');
  },
  async 'a histogram over all floats fills its picture, and has its labels apart'() {
    await open(`&q=${encodeURIComponent('/^wide$/')}`);
    const histogram = page.locator('[data-testid=histogram] canvas');
    await histogram.waitFor();
    const painted = () =>
      histogram.evaluate((canvas) => {
        const ctx = canvas.getContext('2d');
        const [x, height] = [Math.round(canvas.width / 2), canvas.height];
        const { data } = ctx.getImageData(x, 0, 1, height);
        return data.filter((_, i) => i % 4 === 3).filter(Boolean).length / height;
      });
    assert.ok((await painted()) > 0.6, `${await painted()} of a column of pixels`);
    await shot('wide');
    await page.goto(`${address}?tab=media&q=${encodeURIComponent('/^wide$/')}&mr=wide`);
    await page.locator('[data-testid=ridges] canvas').waitFor();
    await shot('wide-ridges');
  },
  async 'a figure of Bokeh is shown whole'() {
    await open(`&q=${encodeURIComponent('/^plot$/')}`);
    const frame = page.locator('[data-testid=page-frame]');
    await page.waitForFunction(
      () => document.querySelector('[data-testid=page-frame]')?.clientHeight === 600,
    );
    await page.frameLocator('[data-testid=page-frame]').locator('.bk-Figure').waitFor();
    const cut = await (
      await (await frame.elementHandle()).contentFrame()
    ).evaluate(() => document.documentElement.scrollHeight - document.documentElement.clientHeight);
    assert.equal(cut, 0);
    await shot('bokeh');
  },
};

await check(session, steps, { login, shots });
