/**
 * Pictures of every page, light and dark, wide and narrow, and a report of console errors and foreign requests.
 *
 *   node e2e/shots.mjs BASE_URL LOGIN_LINK [OUT_DIR] [PAGE ...]
 *
 * LOGIN_LINK may be "-" when none is needed. Without PAGE: the projects, and the workspace and the first run of
 * the most recent project. Exits with 1 when a page wrote an error or asked another origin.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { chromiumWith, overflowOf, staysAt } from './session.mjs';

const [base, login, out = 'shots', ...only] = process.argv.slice(2);
if (!base || !login) {
  console.error('usage: node e2e/shots.mjs BASE_URL LOGIN_LINK [OUT_DIR] [PAGE ...]');
  process.exit(2);
}
const root = base.endsWith('/') ? base : `${base}/`;
const SIZES = { wide: { width: 1440, height: 860 }, narrow: { width: 360, height: 740 } };
const faults = [];

async function defaultPages(page) {
  const answer = await page.request.get(new URL('api/v1/projects', root).href);
  if (!answer.ok()) return { projects: '' };
  const [newest] = (await answer.json()).projects;
  if (!newest) return { projects: '' };
  const path = [newest.entity, newest.project].map(encodeURIComponent).join('/');
  const runs = await page.request.post(new URL(`api/v1/projects/${path}/runs:query`, root).href, {
    data: { columns: ['name'], sort: [{ k: 'created', dir: 'desc' }], limit: 1, offset: 0 },
  });
  const [run] = (await runs.json()).ids;
  return {
    projects: '',
    workspace: `p/${path}/workspace`,
    missing: 'no/such/page',
    ...(run && { run: `p/${path}/r/${encodeURIComponent(run)}` }),
  };
}

const profile = await mkdtemp(join(tmpdir(), 'steplog-shots-'));
const context = await chromium.launchPersistentContext(profile, chromiumWith());
try {
  await mkdir(out, { recursive: true });
  const page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()} (${page.url()})`);
  });
  page.on('pageerror', (error) => faults.push(`error: ${error.stack} (${page.url()})`));
  staysAt(root, { page, faults });
  if (login !== '-') await page.goto(login);
  const pages = only.length
    ? Object.fromEntries(only.map((path) => [path.replace(/[^\w-]+/g, '_').slice(0, 60) || 'root', path]))
    : await defaultPages(page);
  for (const [name, path] of Object.entries(pages)) {
    for (const scheme of ['light', 'dark']) {
      for (const [size, viewport] of Object.entries(SIZES)) {
        await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
        await page.setViewportSize(viewport);
        await page.goto(new URL(path, root).href);
        await page.waitForLoadState('load');
        // Until the first panels are drawn, or the page says why there are none.
        await page
          .locator(
            '[data-testid=panel][data-status=ready] canvas, [data-testid=heat][data-status=ready], [data-testid=reproduce], [data-line], [data-testid=file-view], [data-testid=media-item], [data-testid=table-grid][aria-busy=false], [data-testid=collection], [data-testid=version-panel] [role=tabpanel], [data-testid=outputs], [data-testid=vega][data-status=ready], [data-testid^=notice], [data-testid=project], [data-testid=logged-out]',
          )
          .first()
          .waitFor();
        await page.waitForFunction(
          () => !document.querySelector('[data-testid=panel][data-status=loading]') && document.fonts.ready,
        );
        await page.waitForLoadState('networkidle');
        await page.screenshot({ path: join(out, `${name}-${size}-${scheme}.png`) });
        const overflow = await overflowOf(page);
        if (overflow > 0) faults.push(`${name} ${size}: scrolls sideways by ${overflow} px`);
      }
    }
  }
} finally {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
for (const fault of new Set(faults)) console.error(fault);
process.exitCode = faults.length ? 1 : 0;
