/** What a page of a whole project does when something of one of its runs has changed. */
import { live } from '../app/live.svelte';
import { onReturning } from '../app/returning.svelte';
import type { ProjectRef } from '../data/api';

/**
 * Calls `changed` after each change, and when the page is looked at or connected again. Call it while a component
 * starts.
 */
export function onProjectChange(ref: ProjectRef, changed: () => void): void {
  // Of the runs it wants to know no more than that there is something new.
  const query = { columns: [], sort: [{ k: 'created', dir: 'desc' }], limit: 1, offset: 0 };
  $effect(() =>
    live.socket.subscribe(
      { ch: 'runs', ...ref, query, since: null },
      { gap: changed, message: (message) => void (message['t'] === 'runs' && changed()) },
    ),
  );
  onReturning(changed, changed);
}
