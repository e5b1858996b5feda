/** Whether this browser is logged in, and the server's name. */
import { ApiError, getSession, logOut, onUnauthorized } from '../data/api';
import type { Session } from '../data/types';
import { live } from './live.svelte';

class SessionState {
  status = $state<'loading' | 'in' | 'out' | 'error'>('loading');
  current = $state.raw<Session | null>(null);
  error = $state.raw<ApiError | null>(null);
  /** Why the last try to log out failed. */
  unended = $state.raw<ApiError | null>(null);

  constructor() {
    onUnauthorized(() => this.ended());
  }

  private ended(): void {
    this.status = 'out';
    live.socket.close();
  }

  /** Ends the session; it goes on when the server could not be told. */
  async end(): Promise<void> {
    // The server ends the channel, which must not be taken for a lost one.
    live.socket.close();
    try {
      await logOut();
      this.ended();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) return;
      this.unended = error;
      live.socket.connect();
    }
  }

  /** Asks the server who we are, and goes live when it knows. */
  async start(): Promise<void> {
    this.status = 'loading';
    try {
      this.current = await getSession();
      this.status = 'in';
      this.error = null;
      live.start();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) return;
      this.error = error;
      this.status = 'error';
    }
  }
}

export const session = new SessionState();
