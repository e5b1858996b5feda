import { expect, test, vi } from 'vitest';
import { backoffMillis, LiveSocket } from './liveSocket';

class FakeSocket {
  readyState = 0;
  binaryType = '';
  sent: Record<string, unknown>[] = [];
  onopen: () => void = () => undefined;
  onmessage: (event: { data: unknown }) => void = () => undefined;
  onclose: () => void = () => undefined;
  send(text: string) {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close() {
    this.readyState = 3;
    this.onclose();
  }
  open() {
    this.readyState = 1;
    this.onopen();
  }
}

function setUp() {
  const sockets: FakeSocket[] = [];
  const timers = new Map<number, { callback: () => void; millis: number }>();
  let [timer, now] = [0, 0];
  const live = new LiveSocket(
    {
      open: () => {
        sockets.push(new FakeSocket());
        return sockets.at(-1) as unknown as WebSocket;
      },
      now: () => now,
      random: () => 1,
      setTimer: (callback, millis) => {
        timers.set(++timer, { callback, millis });
        return timer;
      },
      clearTimer: (id) => timers.delete(id),
    },
    () => undefined,
  );
  const fire = (millis: number) => {
    for (const [id, due] of [...timers])
      if (due.millis === millis) {
        timers.delete(id);
        due.callback();
      }
  };
  const wait = (millis: number) => (now += millis);
  const last = () => sockets.at(-1) as FakeSocket;
  return { live, sockets, fire, wait, last };
}

test('subscribes again after a reconnect and reports a gap', () => {
  const { live, sockets, fire, last } = setUp();
  const gap = vi.fn();
  live.connect();
  live.subscribe({ ch: 'runs' }, { gap });
  expect(last().sent).toEqual([]);
  last().open();
  expect(last().sent.map((message) => message['t'])).toEqual(['hello', 'sub']);
  expect(gap).not.toHaveBeenCalled();
  last().close();
  expect(live.status).toBe('reconnecting');
  fire(500);
  expect(sockets).toHaveLength(2);
  last().open();
  expect(last().sent[1]).toEqual({ t: 'sub', id: 1, ch: 'runs' });
  expect(gap).toHaveBeenCalledOnce();
  expect(live.status).toBe('live');
});

test('messages find their subscription until it ends', () => {
  const { live, last } = setUp();
  const message = vi.fn();
  live.connect();
  last().open();
  const end = live.subscribe({ ch: 'runs' }, { gap: vi.fn(), message });
  last().onmessage({ data: '{"t":"runs","id":1,"v":4}' });
  end();
  last().onmessage({ data: '{"t":"runs","id":1,"v":5}' });
  expect(message.mock.calls).toEqual([[{ t: 'runs', id: 1, v: 4 }]]);
  expect(last().sent.at(-1)).toEqual({ t: 'unsub', id: 1 });
});

test('silence of two and a half heartbeats is a lost connection', () => {
  const { live, last, fire } = setUp();
  live.connect();
  last().open();
  last().onmessage({ data: '{"t":"hello","heartbeat":4000}' });
  fire(10_000);
  expect(live.status).toBe('reconnecting');
});

test('a hidden page does not reconnect until it is shown', () => {
  const { live, sockets, last, fire } = setUp();
  live.connect();
  last().open();
  live.setVisible(false);
  last().close();
  fire(500);
  expect(sockets).toHaveLength(1);
  live.setVisible(true);
  expect(sockets).toHaveLength(2);
});

test('after twenty seconds it says offline', () => {
  const { live, last, fire, wait } = setUp();
  live.connect();
  last().close();
  expect(live.status).toBe('reconnecting');
  wait(21_000);
  fire(500);
  last().close();
  expect(live.status).toBe('offline');
});

test('waits grow to fifteen seconds, half of it by chance', () => {
  expect([0, 1, 2, 10].map((attempt) => backoffMillis(attempt, 1))).toEqual([500, 1000, 2000, 15000]);
  expect(backoffMillis(10, 0)).toBe(7500);
});
