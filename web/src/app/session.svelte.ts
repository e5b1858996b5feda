/** Whether this browser is logged in, and the server's name. */
import { ApiError, getSession, onUnauthorized } from '../data/api';
import type { Session } from '../data/types';
import { live } from './live.svelte';

class SessionState {
  status = $state<'loading' | 'in' | 'out' | 'error'>('loading');
  current = $state.raw<Session | null>(null);
  error = $state.raw<ApiError | null>(null);

  constructor() {
    onUnauthorized(() => {
      this.status = 'out';
      live.socket.close();
    });
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
