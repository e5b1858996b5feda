/** Looks for what keeps people out of a page: axe-core, on what is on screen, in both themes. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
/** These are faults; what axe finds minor or moderate is advice. */
const FAULTS = ['serious', 'critical'];

/** Fails when axe finds a serious violation on the page as it is, light or dark. */
export async function assertAccessible(page, name) {
  // Evaluated by the debugger: the page's policy lets no script in.
  await page.evaluate(await readFile(AXE, 'utf8'));
  const theme = await page.evaluate(() => document.documentElement.dataset.theme);
  for (const scheme of ['light', 'dark']) {
    await page.evaluate((wanted) => (document.documentElement.dataset.theme = wanted), scheme);
    await page.evaluate(() =>
      Promise.all(
        document
          .getAnimations()
          .filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity)
          // One that is cancelled is over, too.
          .map(({ finished }) => finished.catch(() => undefined)),
      ),
    );
    const { violations } = await page.evaluate(() =>
      globalThis.axe.run(document, { resultTypes: ['violations'] }),
    );
    const found = violations
      .filter(({ impact }) => FAULTS.includes(impact))
      .map(({ id, nodes }) => ({
        id,
        nodes: nodes.slice(0, 5).map(({ html, failureSummary }) => [html, failureSummary]),
      }));
    assert.deepEqual(found, [], `${name}, ${scheme}`);
  }
  await page.evaluate((wanted) => {
    if (wanted === undefined) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = wanted;
  }, theme);
}
