/** The entries of a version, asked by pages. */
import { ApiError } from '../data/api';
import { getEntries, MOST_ENTRIES_AT_ONCE, type VersionRef } from '../data/artifactApi';
import type { Entry } from '../data/artifacts';

export class EntryPages {
  status = $state<'loading' | 'ready' | 'error'>('loading');
  error = $state.raw<ApiError | null>(null);
  entries = $state.raw<readonly Entry[]>([]);
  /** Whether there are more than those. */
  hasMore = $state(false);
  private next: string | null = null;
  private prefix: string | null = null;

  constructor(private readonly of: VersionRef) {}

  /** Shows the entries whose paths begin so: the first page of them, until more are asked for. */
  async show(prefix: string): Promise<void> {
    if (prefix === this.prefix && this.status !== 'error') return;
    this.prefix = prefix;
    this.next = null;
    await this.ask([]);
  }

  /** The next page. */
  more(): Promise<void> {
    return this.ask(this.entries);
  }

  /** All pages, up to so many entries. */
  async all(most: number): Promise<void> {
    this.prefix = '';
    this.next = null;
    do await this.ask(this.next === null ? [] : this.entries, MOST_ENTRIES_AT_ONCE);
    while (this.hasMore && this.status === 'ready' && this.entries.length < most);
  }

  private async ask(before: readonly Entry[], limit?: number): Promise<void> {
    const prefix = this.prefix ?? '';
    this.status = 'loading';
    try {
      const answer = await getEntries(this.of, prefix, this.next, limit);
      // Another prefix was asked for meanwhile.
      if (prefix !== this.prefix) return;
      this.entries = [...before, ...answer.entries];
      this.next = answer.next;
      this.hasMore = answer.next !== null;
      [this.status, this.error] = ['ready', null];
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (prefix === this.prefix) [this.status, this.error] = ['error', error];
    }
  }
}
