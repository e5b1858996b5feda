/** The tab's live socket, as reactive state. */
import { ApiError, apiUrl, getSession } from '../data/api';
import { LiveSocket, type LiveStatus } from '../data/liveSocket';

/** The close code of a session that is over. */
const LOGGED_OUT = 1008;

async function askWhoWeAre(): Promise<void> {
  try {
    await getSession();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

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
        const socket = new WebSocket(url);
        // Whoever was logged out elsewhere is told so: the answer shows how to log in again.
        socket.addEventListener('close', ({ code }) => {
          if (code === LOGGED_OUT) void askWhoWeAre();
        });
        return socket;
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
