/**
 * One WebSocket per tab: subscriptions that survive reconnects, and how fresh the page is. Knows nothing of
 * Svelte or of charts. Time, chance and the socket are arguments, so that tests need neither.
 */
import { decodeLive } from './arrow';
import { parseExact } from './exactJson';
import type { PanelFrame } from './panelData';

export type LiveStatus = 'connecting' | 'live' | 'reconnecting' | 'offline';

export interface LiveHandlers {
  /** A text message for this subscription (`runs`, `run`). */
  message?: (message: Record<string, unknown>) => void;
  /** Changed panels. */
  frames?: (frames: PanelFrame[]) => void;
  /** Updates were lost, or may have been: query again. */
  gap: () => void;
}

interface Subscription {
  body: Record<string, unknown>;
  handlers: LiveHandlers;
}

export interface LiveDeps {
  open: () => WebSocket;
  now: () => number;
  random: () => number;
  setTimer: (callback: () => void, millis: number) => number;
  clearTimer: (timer: number) => void;
}

const FIRST_WAIT_MILLIS = 500;
const LONGEST_WAIT_MILLIS = 15_000;
/** Until the hello says otherwise. */
const HEARTBEAT_MILLIS = 15_000;
/** After this long without a connection "reconnecting" becomes "offline". */
const OFFLINE_MILLIS = 20_000;

/** How long to wait before attempt number `attempt` (from 0): doubling, with half of it left to chance. */
export function backoffMillis(attempt: number, random: number): number {
  const full = Math.min(LONGEST_WAIT_MILLIS, FIRST_WAIT_MILLIS * 2 ** attempt);
  return full / 2 + (full / 2) * random;
}

export class LiveSocket {
  status: LiveStatus = 'connecting';
  /** When the last message came, in `now()` milliseconds; null before the first. */
  lastMessageAt: number | null = null;
  private socket: WebSocket | null = null;
  private readonly subscriptions = new Map<number, Subscription>();
  private nextId = 1;
  private attempt = 0;
  private wasOpen = false;
  private lostAt: number | null = null;
  private heartbeatMillis = HEARTBEAT_MILLIS;
  private timer: number | null = null;
  private watchdog: number | null = null;
  private visible = true;

  constructor(
    private readonly deps: LiveDeps,
    private readonly changed: () => void,
  ) {}

  /** Connects now, unless connected or connecting. */
  connect(): void {
    if (this.socket) return;
    this.clearTimer();
    const socket = this.deps.open();
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    socket.onopen = () => this.opened();
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.received(event.data);
    socket.onclose = () => this.closed(socket);
  }

  /** Closes for good (the user is logged out). */
  close(): void {
    this.clearTimer();
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.setStatus('offline');
  }

  /** Starts a subscription; returns its end. */
  subscribe(body: Record<string, unknown>, handlers: LiveHandlers): () => void {
    const id = this.nextId++;
    this.subscriptions.set(id, { body, handlers });
    this.send({ t: 'sub', id, ...body });
    return () => {
      if (this.subscriptions.delete(id)) this.send({ t: 'unsub', id });
    };
  }

  /** A hidden page asks for nothing; on return the server sends what changed, or a gap. */
  setVisible(visible: boolean): void {
    this.visible = visible;
    this.send({ t: 'visible', v: visible });
    if (visible && !this.socket) {
      this.attempt = 0;
      this.connect();
    }
  }

  private send(message: Record<string, unknown>): void {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }

  private opened(): void {
    this.send({ t: 'hello', proto: 1, visible: this.visible });
    for (const [id, { body }] of this.subscriptions) this.send({ t: 'sub', id, ...body });
    this.attempt = 0;
    this.lostAt = null;
    const again = this.wasOpen;
    this.wasOpen = true;
    this.heard();
    this.setStatus('live');
    // What happened while away is not known here: whoever holds data asks again.
    if (again) for (const { handlers } of [...this.subscriptions.values()]) handlers.gap();
  }

  private received(data: string | ArrayBuffer): void {
    this.heard();
    if (typeof data !== 'string') {
      const { id, frames } = decodeLive(data);
      this.subscriptions.get(id)?.handlers.frames?.(frames);
      return;
    }
    const message = parseExact(data) as Record<string, unknown>;
    if (message['t'] === 'hello' && typeof message['heartbeat'] === 'number')
      this.setHeartbeat(message['heartbeat']);
    const handlers = this.subscriptions.get(Number(message['id']))?.handlers;
    if (!handlers) return;
    if (message['t'] === 'gap') handlers.gap();
    else handlers.message?.(message);
  }

  private setHeartbeat(millis: number): void {
    this.heartbeatMillis = millis;
    this.heard();
  }

  private heard(): void {
    this.lastMessageAt = this.deps.now();
    if (this.watchdog !== null) this.deps.clearTimer(this.watchdog);
    this.watchdog = this.deps.setTimer(() => this.socket?.close(), this.heartbeatMillis * 2.5);
  }

  private closed(socket: WebSocket): void {
    if (this.socket !== socket) return;
    this.socket = null;
    if (this.watchdog !== null) this.deps.clearTimer(this.watchdog);
    this.lostAt ??= this.deps.now();
    this.setStatus(this.deps.now() - this.lostAt > OFFLINE_MILLIS ? 'offline' : 'reconnecting');
    // A hidden page stays quiet; setVisible connects again.
    if (!this.visible) return;
    this.timer = this.deps.setTimer(() => this.connect(), backoffMillis(this.attempt++, this.deps.random()));
  }

  private setStatus(status: LiveStatus): void {
    this.status = status;
    this.changed();
  }

  private clearTimer(): void {
    if (this.timer !== null) this.deps.clearTimer(this.timer);
    this.timer = null;
  }
}
