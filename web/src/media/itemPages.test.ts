import { beforeEach, expect, test, vi } from 'vitest';
import { ApiError, queryMediaItems } from '../data/api';
import { ItemPages } from './itemPages';

vi.mock('../data/api', async (original) => ({
  ...(await original<Record<string, unknown>>()),
  queryMediaItems: vi.fn(),
}));
const query = vi.mocked(queryMediaItems);
const REF = { entity: 'local', project: 'p' };
const item = (run: string, step: number, index = 0) => ({ key: 'k', run, label: '', step, index });
const settled = () => new Promise((resolve) => setTimeout(resolve));
const answers = (state: 'stored' | 'wanted') =>
  query.mockImplementation((_ref, { runs, steps }, { offset }) =>
    Promise.resolve(runs.map((run) => ({ ...item(run, steps[0] as number, offset), state }) as never)),
  );

beforeEach(() => void query.mockReset());

test('what several runs have at a step is one request, and asked once', async () => {
  answers('stored');
  const pages = new ItemPages(REF, () => undefined);
  pages.want([item('a', 1), item('b', 1), item('a', 1, 3)]);
  expect(pages.get(item('a', 1))).toBeUndefined();
  pages.want([item('a', 1)]);
  await settled();
  expect(query.mock.calls.map(([, asked]) => asked)).toEqual([{ runs: ['a', 'b'], keys: ['k'], steps: [1] }]);
  expect(pages.get(item('b', 1))).toMatchObject({ run: 'b', step: 1 });
  expect(pages.get(item('a', 1, 3))).toBeNull();
});

test('of many steps the last is asked for before those that wait', async () => {
  const asked: number[] = [];
  const ends: (() => void)[] = [];
  query.mockImplementation((_ref, { steps }) => {
    asked.push(steps[0] as number);
    return new Promise((resolve) => ends.push(() => resolve([])));
  });
  const pages = new ItemPages(REF, () => undefined);
  for (let step = 0; step < 6; step++) {
    pages.want([item('a', step)]);
    await settled();
  }
  expect(asked).toEqual([0, 1, 2]);
  while (ends.length > 0) {
    ends.shift()?.();
    await settled();
  }
  expect(asked).toEqual([0, 1, 2, 5, 4, 3]);
});

test('what failed, and what had not come, is asked for again after a refresh', async () => {
  const pages = new ItemPages(REF, () => undefined);
  query.mockRejectedValueOnce(new ApiError(500, 'no', ''));
  pages.want([item('a', 0)]);
  await settled();
  expect(pages.get(item('a', 0))).toBeInstanceOf(ApiError);
  answers('wanted');
  for (const state of ['wanted', 'stored'] as const) {
    pages.refresh();
    answers(state);
    pages.want([item('a', 0)]);
    await settled();
    expect(pages.get(item('a', 0))).toMatchObject({ state });
  }
  pages.refresh();
  expect(pages.get(item('a', 0))).toMatchObject({ state: 'stored' });
});
