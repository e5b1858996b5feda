import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError, type SeriesAnswer } from '../data/api';
import { bucketFrame } from '../data/fixtures';
import type { LiveHandlers } from '../data/liveSocket';
import type { PanelQuery } from '../data/types';
import { PanelLoader, type Slot } from './panelLoader';

const points = Array.from({ length: 40 }, (_, x) => [x, x] as [number, number]);
const ref = { entity: 'local', project: 'demo' };

function frameFor(panel: PanelQuery, count: number) {
  const logged = panel.runs.ids.map((run) => ({ run, points: points.slice(0, count) }));
  const frame = bucketFrame(logged, 4);
  frame.header.id = panel.id;
  return frame;
}

function setUp(answer?: (panels: readonly PanelQuery[]) => Promise<SeriesAnswer>) {
  const asked: string[][] = [];
  const subscriptions: { body: Record<string, unknown>; handlers: LiveHandlers; ended: boolean }[] = [];
  let hidden = false;
  const loader = new PanelLoader(ref, {
    query: (panels) => {
      asked.push(panels.map((panel) => panel.id));
      if (answer) return answer(panels);
      return Promise.resolve({ version: 5, frames: panels.map((panel) => frameFor(panel, 20)) });
    },
    subscribe: (body, handlers) => {
      const subscription = { body, handlers, ended: false };
      subscriptions.push(subscription);
      return () => (subscription.ended = true);
    },
    hidden: () => hidden,
  });
  loader.setContext({ runs: ['a'], x: 'step', range: null, together: false });
  return { loader, asked, subscriptions, hide: (value: boolean) => (hidden = value) };
}
const settle = () => vi.advanceTimersByTimeAsync(300);
const nothing = () => undefined;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('panels that come on screen together are one request and one subscription', async () => {
  const { loader, asked, subscriptions } = setUp();
  loader.show('p', 300, nothing);
  loader.show('q', 300, nothing);
  await settle();
  expect(asked).toEqual([['p', 'q']]);
  expect(subscriptions.filter((subscription) => !subscription.ended)).toHaveLength(1);
  expect(subscriptions.at(-1)?.body).toMatchObject({ ch: 'series', project: 'demo', since: 5 });
});

test('a panel that is shown already is not asked again', async () => {
  const { loader, asked } = setUp();
  loader.show('p', 300, nothing);
  await settle();
  loader.show('q', 300, nothing);
  await settle();
  expect(asked).toEqual([['p'], ['q']]);
});

test('a zoom asks all panels again and keeps the picture', async () => {
  const { loader, asked } = setUp();
  const states: string[] = [];
  loader.show('p', 300, (slot) => states.push(`${slot.status} ${slot.data ? 'picture' : 'blank'}`));
  await settle();
  loader.setContext({ runs: ['a'], x: 'step', range: [0, 9], together: false });
  await settle();
  expect(asked).toEqual([['p'], ['p']]);
  expect(states).toEqual([
    'idle blank',
    'loading blank',
    'ready picture',
    'loading picture',
    'ready picture',
  ]);
});

test('back and forth before the answer asks again, since the first request was given up', async () => {
  let calls = 0;
  const { loader, asked } = setUp((panels) => {
    calls++;
    if (calls === 1) return new Promise(nothing);
    return Promise.resolve({ version: 5, frames: panels.map((panel) => frameFor(panel, 20)) });
  });
  let status = '';
  loader.show('p', 300, (slot) => (status = slot.status));
  await settle();
  loader.setContext({ runs: ['a'], x: 'step', range: [0, 9], together: false });
  loader.setContext({ runs: ['a'], x: 'step', range: null, together: false });
  await settle();
  expect(asked).toEqual([['p'], ['p']]);
  expect(status).toBe('ready');
});

test('live frames change the data; many in a row are few repaints', async () => {
  const { loader, subscriptions } = setUp();
  const slots: Slot[] = [];
  loader.show('p', 300, (slot) => slots.push(slot));
  await settle();
  const before = slots.length;
  const panel = { id: 'p', runs: { ids: ['a'] } } as PanelQuery;
  for (let count = 21; count <= 40; count++)
    subscriptions.at(-1)?.handlers.frames?.([frameFor(panel, count)]);
  await settle();
  expect(slots.at(-1)?.data?.lastX).toBe(39);
  expect(slots.length - before).toBeLessThanOrEqual(2);
});

test('a gap asks once more', async () => {
  const { loader, asked, subscriptions } = setUp();
  loader.show('p', 300, nothing);
  await settle();
  subscriptions.at(-1)?.handlers.gap();
  await settle();
  expect(asked).toEqual([['p'], ['p']]);
});

test('one refused panel leaves the others', async () => {
  const { loader } = setUp((panels) =>
    panels.some((panel) => panel.id === 'bad')
      ? Promise.reject(new ApiError(400, 'no', ''))
      : Promise.resolve({ version: 1, frames: panels.map((panel) => frameFor(panel, 5)) }),
  );
  const status: Record<string, string> = {};
  for (const key of ['good', 'bad']) loader.show(key, 300, (slot) => (status[key] = slot.status));
  await settle();
  expect(status).toEqual({ good: 'ready', bad: 'error' });
});

test('a hidden page asks nothing until it is shown', async () => {
  const { loader, asked, hide } = setUp();
  hide(true);
  loader.show('p', 300, nothing);
  await settle();
  expect(asked).toEqual([]);
  hide(false);
  loader.resume();
  await settle();
  expect(asked).toEqual([['p']]);
});

test('a chart does not claim to be empty before its runs are known, nor once they are', async () => {
  const seen: string[] = [];
  const empty = new PanelLoader(ref, {
    query: () => new Promise(() => undefined),
    subscribe: () => nothing,
    hidden: () => false,
  });
  empty.show('p', 300, (slot) => seen.push(slot.status));
  await settle();
  expect(seen).toEqual(['idle']);
  empty.setContext({ runs: [], x: 'step', range: null, together: false });
  await settle();
  expect(seen.at(-1)).toBe('ready');
  empty.setContext({ runs: ['a'], x: 'step', range: null, together: false });
  expect(seen.at(-1)).toBe('loading');
});
