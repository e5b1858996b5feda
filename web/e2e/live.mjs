/**
 * Watches a project while a run appears in it and grows, then looks for the spike of `spike` in another.
 *
 *   node e2e/live.mjs BASE_URL LOGIN_LINK ENTITY PROJECT SPIKE_PROJECT
 *
 * Says `watching` when the page is open and live, `appeared` when a run has come, `grew` when its line has
 * got longer, `spike` when the pixels of the one-step spike are there. Exits with 1 after a console error, or
 * when something asked another origin.
 */
import { openSession, staysAt } from './session.mjs';

const [base, login, entity, project, spikeProject] = process.argv.slice(2);
if (!spikeProject) {
  console.error('usage: node e2e/live.mjs BASE_URL LOGIN_LINK ENTITY PROJECT SPIKE_PROJECT');
  process.exit(2);
}
const workspace = (name) =>
  new URL(`p/${encodeURIComponent(entity)}/${encodeURIComponent(name)}/workspace`, `${base}/`).href;

const session = await openSession({ viewport: { width: 1440, height: 860 } });
const { browser, page, faults } = session;
try {
  staysAt(base, session);
  await page.goto(login);
  await page.goto(workspace(project));
  await page.locator('[data-testid=live][data-status=live]').waitFor();
  console.log('watching');

  const points = (least) => {
    const panel = document.querySelector('[data-testid=panel][data-status=ready]');
    const count = Number(panel?.dataset.points ?? 0);
    return count > least ? count : null;
  };
  const before = await (await page.waitForFunction(points, 0)).jsonValue();
  console.log('appeared');
  await page.waitForFunction(points, before + 5);
  console.log('grew');

  await page.goto(workspace(spikeProject));
  await page
    .locator('[data-testid=panel][data-status=ready]:not([data-points="0"]) canvas')
    .first()
    .waitFor();
  // The line lies at the bottom of the plot; only the spike reaches its upper half.
  await page.waitForFunction(() => {
    const plot = document.querySelector('.u-over').getBoundingClientRect();
    const canvas = document.querySelector('[data-testid=panel] canvas');
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    const [left, top] = [(plot.left - box.left) * scale, (plot.top - box.top) * scale];
    const [width, height] = [plot.width * scale, (plot.height * scale) / 3];
    const { data } = canvas.getContext('2d').getImageData(left, top + height / 2, width, height);
    // Darker than the grid: a pixel of the line, whatever colour the run has got.
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = data.subarray(i, i + 4);
      if (a > 100 && Math.min(r, g, b) < 190) return true;
    }
    return false;
  });
  console.log('spike');
} finally {
  await browser.close();
}
for (const fault of faults) console.error(fault);
process.exit(faults.length === 0 ? 0 : 1);
