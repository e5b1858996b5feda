/** The tab's live socket, as reactive state. */
import { apiUrl } from '../data/api';
import { LiveSocket, type LiveStatus } from '../data/liveSocket';

class Live {
  status = $state<LiveStatus>('connecting');
  lastMessageAt = $state.raw<number | null>(null);
  /** Epoch milliseconds, once a second while the page is visible: ages on screen follow it. */
  now = $state(Date.now());

  readonly socket = new LiveSocket(
    {
      open: () => {
        const url = apiUrl('live');
        url.protocol = url.protocol.replace('http', 'ws');
        return new WebSocket(url);
      },
      now: () => Date.now(),
      random: () => Math.random(),
      setTimer: (callback, millis) => window.setTimeout(callback, millis),
      clearTimer: (timer) => window.clearTimeout(timer),
    },
    () => this.refresh(),
  );

  start(): void {
    this.socket.connect();
    document.addEventListener('visibilitychange', () => {
      this.socket.setVisible(!document.hidden);
      this.refresh();
    });
    setInterval(() => {
      if (!document.hidden) this.refresh();
    }, 1000);
  }

  private refresh(): void {
    this.now = Date.now();
    this.status = this.socket.status;
    this.lastMessageAt = this.socket.lastMessageAt;
  }
}

export const live = new Live();
