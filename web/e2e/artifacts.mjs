/**
 * Checks the pages of artifacts.
 *
 *   node e2e/artifacts.mjs BASE_URL LOGIN_LINK ENTITY PROJECT [SHOTS_FOLDER]
 *
 * The project has what `test_artifacts_in_the_browser` logs.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assertAccessible } from './accessible.mjs';
import { check, openSession, overflowOf } from './session.mjs';

const [base, login, entity, project, shots] = process.argv.slice(2);
if (!project) {
  console.error('usage: node e2e/artifacts.mjs BASE_URL LOGIN_LINK ENTITY PROJECT [SHOTS_FOLDER]');
  process.exit(2);
}
const at = (...path) =>
  new URL(['p', entity, project, ...path].map(encodeURIComponent).join('/'), `${base}/`).href;
const api = (path) => new URL(`api/v1/projects/${entity}/${project}/artifacts${path}`, `${base}/`).href;

/** Answers that are refused on purpose are told to the console, too. */
let refused = 0;
const isExpected = (text) => refused > 0 && /status of 4\d\d/.test(text) && refused-- > 0;
const session = await openSession({
  reducedMotion: 'reduce',
  permissions: ['clipboard-read', 'clipboard-write'],
  isExpected,
});
const { page } = session;

const id = (name) => page.locator(`[data-testid=${name}]`);
const collection = (name) => page.locator(`[data-testid=collection][data-name="${name}"]`);
const version = (name) => page.locator(`[data-testid=version][data-version="${name}"]`);
const fact = (name) => page.locator(`[data-fact="${name}"]`);
const tab = (name) => page.getByRole('tab', { name, exact: true });
const entry = (path) => page.locator(`[data-entry="${path}"]`);
const node = (name) => page.locator(`[data-node][data-name="${name}"]`);
const names = (noun) => id(`names-${noun}`).locator('li');
async function add(noun, text) {
  await page.getByLabel(`New ${noun}`, { exact: true }).fill(text);
  await page.getByLabel(`New ${noun}`, { exact: true }).press('Enter');
}
async function shot(name) {
  if (!shots) return;
  await mkdir(shots, { recursive: true });
  for (const scheme of ['light', 'dark']) {
    await page.evaluate((theme) => (document.documentElement.dataset.theme = theme), scheme);
    await page.screenshot({ path: join(shots, `artifacts-${name}-${scheme}.png`) });
  }
}
async function fitsIn(width) {
  await page.setViewportSize({ width, height: 740 });
  const overflow = await overflowOf(page);
  assert.equal(overflow, 0, `${page.url()} scrolls sideways at ${width}`);
  await page.setViewportSize({ width: 1440, height: 900 });
}

const steps = {
  async 'lists collections by type, folds what runs log by themselves, and finds'() {
    await page.goto(at('workspace'));
    await id('project-tabs').getByRole('link', { name: 'Artifacts' }).click();
    await collection('model').waitFor();
    const types = await id('artifact-types').locator('[data-type]').allInnerTexts();
    assert.deepEqual(
      types.map((text) => text.split(/\s+/).filter(Boolean).join(' ')),
      ['All types 4', 'dataset 2', 'model 2'],
    );
    assert.equal(await id('collection-count').innerText(), '4 collections');
    assert.match(await collection('model').innerText(), /v1\s*best\s*latest\s*model\s*2\s/);
    await assertAccessible(page, 'the list');
    await shot('list');
    await fitsIn(360);
    await id('artifact-types')
      .getByRole('button', { name: /themselves/ })
      .click();
    await id('artifact-types').locator('[data-type=run_table]').click();
    await collection('run-train-preds').waitFor();
    assert.equal(await id('collection').count(), 1);
    await id('artifact-types').locator('[data-type=""]').click();
    await page.keyboard.press('/');
    await page.keyboard.type('best');
    await collection('cifar').waitFor({ state: 'detached' });
    assert.equal(await id('collection').count(), 1);
    assert.match(page.url(), /q=best/);
    await page.keyboard.press('Escape');
    await collection('cifar').waitFor();
  },
  async 'shows a version and how it is used'() {
    await collection('model').getByRole('link').click();
    await fact('Size').waitFor();
    assert.match(page.url(), /artifacts\/model\/v1$/);
    const listed = await id('version').evaluateAll((all) =>
      all.map((one) => [one.dataset.version, one.dataset.state, one.getAttribute('aria-current')]),
    );
    assert.deepEqual(listed, [
      ['pending', 'pending', null],
      ['v1', 'committed', 'page'],
      ['v0', 'committed', null],
    ]);
    assert.deepEqual(await names('alias').allInnerTexts(), ['best', 'latest']);
    assert.match(await fact('Size').innerText(), /^14 B in 2 files$/);
    assert.equal(await fact('Logged by').innerText(), 'train');
    assert.equal(await fact('Used by').innerText(), 'evaluation');
    const tree = page.locator('[data-tree=Metadata]');
    assert.match(await tree.innerText(), /optim\.name\s*adam/);
    // A whole number that no JavaScript number holds has all its digits.
    assert.match(await tree.innerText(), /9007199254740993/);
    const use = id('use-it');
    assert.match(await use.innerText(), new RegExp(`run.use_artifact\\("${entity}/${project}/model:v1"\\)`));
    await use.getByRole('button', { name: 'Copy lines for a run' }).click();
    await use.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(
      copied,
      `artifact = run.use_artifact("${entity}/${project}/model:v1")\nfolder = artifact.download()`,
    );
    await assertAccessible(page, 'a version');
    await shot('version');
    await fitsIn(360);
  },
  async 'takes changes of aliases, tags and the description, and shows what was refused at the field'() {
    await add('alias', 'v7');
    assert.match(await id('name-error').innerText(), /names a version/);
    refused = 1;
    await add('alias', 'x'.repeat(129));
    await page.waitForFunction(() =>
      /alias/i.test(document.querySelector('[data-testid=name-error]')?.textContent ?? ''),
    );
    assert.equal(await page.getByLabel('New alias', { exact: true }).getAttribute('aria-invalid'), 'true');
    await shot('refused');
    await add('alias', 'prod');
    await names('alias').filter({ hasText: 'prod' }).waitFor();
    // The list of versions has it as well.
    await version('v1').getByText('prod').waitFor();
    await page.getByRole('button', { name: 'Remove the alias best' }).click();
    await names('alias').filter({ hasText: 'best' }).waitFor({ state: 'detached' });
    assert.equal(await page.getByRole('button', { name: 'Remove the alias latest' }).count(), 0);
    await add('tag', 'small net');
    await names('tag').filter({ hasText: 'small net' }).waitFor();
    await page.getByRole('button', { name: 'Edit the description' }).click();
    await page.keyboard.type('of the paper');
    await page.keyboard.press('Control+Enter');
    await id('version-panel').getByTestId('text-shown').filter({ hasText: 'of the paper' }).waitFor();
    const found = await (await page.request.get(api('/model/prod'))).json();
    assert.deepEqual(
      [found.version, found.aliases, found.tags, found.description],
      ['v1', ['latest', 'prod'], ['small net'], 'of the paper'],
    );
  },
  async 'takes changes of what is said of the collection, and leaves its versions as they are'() {
    const header = id('collection-header');
    await add('collection tag', 'baseline');
    await names('collection-tag').filter({ hasText: 'baseline' }).waitFor();
    await add('collection tag', 'old');
    await names('collection-tag').filter({ hasText: 'old' }).waitFor();
    await page.getByRole('button', { name: 'Remove the collection tag old' }).click();
    await names('collection-tag').filter({ hasText: 'old' }).waitFor({ state: 'detached' });
    refused = 1;
    await add('collection tag', 'x'.repeat(65));
    await header.getByTestId('name-error').waitFor();
    await page.getByLabel('New collection tag').fill('');
    await header.getByRole('button', { name: 'Edit the collection description' }).click();
    await page.keyboard.type('small nets, one per paper');
    await header.getByRole('button', { name: 'Save' }).click();
    await header.getByTestId('text-shown').filter({ hasText: 'one per paper' }).waitFor();
    const found = await (await page.request.get(api('/model'))).json();
    assert.deepEqual([found.tags, found.description], [['baseline'], 'small nets, one per paper']);
    assert.deepEqual(await names('tag').allInnerTexts(), ['small net']);
    await assertAccessible(page, 'a collection');
    await shot('collection');
    await fitsIn(360);
  },
  async 'hears of changes that others make'() {
    const answer = await page.request.patch(api('/model/v0'), { data: { aliases_add: ['elsewhere'] } });
    assert.equal(answer.status(), 200);
    await version('v0').getByText('elsewhere').waitFor();
  },
  async 'shows files in their folders, and what they hold'() {
    await page.goto(at('artifacts', 'cifar', 'latest'));
    await tab('Files').click();
    await id('entry-view').waitFor();
    // With many files folders are folded.
    await page.locator('[data-folder="images/"]').waitFor();
    assert.equal(await entry('images/0.png').count(), 0);
    await page.locator('[data-folder="images/"]').click();
    await entry('images/0.png').click();
    await page.waitForFunction(
      () => document.querySelector('[data-testid=entry-view] img')?.naturalWidth === 8,
    );
    await entry('preds.table.json').click();
    await id('table-preview').waitFor();
    assert.match(await id('table-preview').innerText(), /id\s+text\s+1\s+hello\s+9007199254740993\s+world/);
    await assertAccessible(page, 'files');
    await shot('files');
    await entry('config.json').click();
    await page.locator('[data-testid=entry-view] pre').filter({ hasText: '"depth": 3' }).waitFor();
    assert.match(page.url(), /file=config.json/);
    const [download] = await Promise.all([page.waitForEvent('download'), id('entry-download').click()]);
    assert.equal(download.suggestedFilename(), 'config.json');
    assert.equal(await readFile(await download.path(), 'utf8'), '{"depth": 3}');
    await entry('elsewhere.bin').click();
    assert.equal((await id('entry-reference').innerText()).trim(), 's3://bucket/elsewhere.bin');
    await id('entry-prefix').fill('images/5');
    await entry('preds.table.json').waitFor({ state: 'detached' });
    assert.equal(await page.locator('[data-entry]').count(), 11);
    await fitsIn(360);
  },
  async 'lists a version of thousands of files by pages'() {
    await page.goto(`${at('artifacts', 'many', 'v0')}?tab=files`);
    await id('entries-shown').waitFor();
    assert.equal(await id('entries-shown').innerText(), 'The first 1,000 of 1,500 are listed.');
    await page.getByRole('button', { name: 'List more' }).click();
    await id('entries-shown').waitFor({ state: 'detached' });
    const folders = await page.locator('[data-folder]').allInnerTexts();
    assert.match(folders.join(' '), /a\/\s*750,.*b\/\s*750,/s);
  },
  async 'compares two versions'() {
    await page.goto(`${at('artifacts', 'cifar', 'v1')}?tab=compare`);
    await id('compare-table').waitFor();
    assert.match(await id('compare-counts').innerText(), /^2 added, 1 removed, 1 changed, 62 the same/);
    const rows = await id('compare-table')
      .locator('[data-change]')
      .evaluateAll((all) => all.map(({ dataset }) => [dataset.change, dataset.path]));
    assert.deepEqual(rows, [
      ['changed', 'config.json'],
      ['added', 'elsewhere.bin'],
      ['added', 'new.txt'],
      ['removed', 'old.txt'],
    ]);
    await assertAccessible(page, 'a comparison');
    await shot('compare');
    await fitsIn(360);
    await page.getByRole('button', { name: 'config.json' }).click();
    await page.locator('[data-testid=entry-view][data-path="config.json"]').waitFor();
  },
  async 'draws what a version came of and what came of it, as links'() {
    await page.goto(`${at('artifacts', 'cifar', 'v0')}?tab=lineage`);
    await node('cifar:v0').waitFor();
    await id('lineage-depth').selectOption('4');
    await node('evaluation').waitFor();
    const nodes = await page
      .locator('[data-node]')
      .evaluateAll((all) =>
        all.map((one) => [one.dataset.name, Math.round(one.getBoundingClientRect().left)]),
      );
    const left = Object.fromEntries(nodes);
    const chain = ['preparation', 'cifar:v0', 'train', 'model:v1', 'evaluation'].map((name) => left[name]);
    assert.deepEqual(
      chain,
      [...chain].sort((a, b) => a - b),
    );
    assert.equal(new Set(chain).size, 5);
    assert.ok((await page.locator('[data-edge]').count()) >= 5);
    assert.equal(await node('cifar:v0').getAttribute('aria-current'), 'true');
    assert.match(await node('train').getAttribute('aria-label'), /^train run; used cifar:v0; logged /);
    await assertAccessible(page, 'lineage');
    await shot('lineage');
    await fitsIn(360);
    // Each is reached by the keyboard.
    await id('lineage').focus();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.name), 'preparation');
    const focused = () => page.evaluate(() => document.activeElement.dataset.name);
    for (let at = 0; at < nodes.length && (await focused()) !== 'train'; at++)
      await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await id('outputs').waitFor();
    assert.match(page.url(), /\/r\/train\?tab=artifacts$/);
  },
  async 'shows what a run used and logged'() {
    const inputs = await id('inputs').locator('li').allInnerTexts();
    assert.match(inputs.join(), /cifar:v0\s*dataset/);
    const outputs = id('outputs').locator('li');
    await outputs.filter({ hasText: 'model:v1' }).waitFor();
    assert.equal(await outputs.locator('xpath=self::*[@data-state="failed"]').count(), 1);
    await assertAccessible(page, 'artifacts of a run');
    await shot('run');
    await fitsIn(360);
    await page.keyboard.press('7');
    await id('tab-files').waitFor();
    await page.keyboard.press('8');
    await outputs.filter({ hasText: 'model:v1' }).getByRole('link').click();
    await id('version-panel').waitFor();
    assert.match(page.url(), /artifacts\/model\/v1$/);
  },
  async 'says why something is no version'() {
    await version('pending').click();
    await id('state-notice').filter({ hasText: 'Not all of it is here yet' }).waitFor();
    assert.match(await id('state-notice').innerText(), /it waits for contents, such as [0-9a-f]{64}/);
    await id('awaited').getByText('unsent.bin').waitFor();
    await shot('pending');
    await page.goto(at('artifacts', 'cifar'));
    await version('failed').click();
    await id('state-notice').filter({ hasText: 'did not become a version' }).waitFor();
    assert.match(await id('state-notice').innerText(), /type/);
    assert.equal(await id('delete-version').count(), 0);
    await assertAccessible(page, 'a failed version');
    await shot('failed');
  },
  async 'shows a link and where it leads'() {
    await page.goto(at('artifacts', 'registry', 'latest'));
    await id('linked-from')
      .getByRole('link', { name: /model:v1$/ })
      .click();
    await page.waitForURL(/artifacts\/model\/v1$/);
  },
  async 'deletes a version once it was confirmed'() {
    await page.goto(at('artifacts', 'model', 'v0'));
    await id('delete-version').click();
    await id('delete-dialog').waitFor();
    await assertAccessible(page, 'the question');
    await shot('delete');
    await page.keyboard.press('Escape');
    await id('delete-dialog').waitFor({ state: 'detached' });
    await id('delete-version').click();
    await id('delete-confirm').click();
    await version('v0').waitFor({ state: 'detached' });
    assert.match(page.url(), /artifacts\/model$/);
    assert.equal((await page.request.get(api('/model/v0'))).status(), 404);
  },
  async 'deletes a collection once it was confirmed by its name'() {
    await page.goto(at('artifacts', 'many'));
    await id('delete-collection').click();
    await id('delete-dialog').getByRole('heading', { name: 'Delete the collection many?' }).waitFor();
    await assertAccessible(page, 'the question of a collection');
    await shot('delete-collection');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await id('delete-dialog').waitFor({ state: 'detached' });
    assert.equal((await page.request.get(api('/many'))).status(), 200);
    await id('delete-collection').click();
    await page.getByRole('button', { name: 'Delete many' }).click();
    await collection('cifar').waitFor();
    await collection('many').waitFor({ state: 'detached' });
    assert.match(page.url(), /artifacts$/);
    assert.equal((await page.request.get(api('/many'))).status(), 404);
  },
  async 'says when there is no such artifact or version'() {
    refused = 1;
    await page.goto(at('artifacts', 'model', 'v9'));
    await page.getByText('There is no such version').waitFor();
    refused = 1;
    await page.goto(at('artifacts', 'nothing'));
    await page.getByText('There is no such artifact').waitFor();
  },
};

await check(session, steps, { login, shots });
