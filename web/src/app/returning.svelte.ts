/** What a page does when it is looked at again, or connected again. */
import { untrack } from 'svelte';
import { live } from './live.svelte';

/**
 * Calls `shown` when the browser's tab comes to the front, and `back` when the live channel is there again
 * after it was lost: what came meanwhile is not on screen. Call it while a component starts.
 */
export function onReturning(shown: () => void, back: () => void): void {
  $effect(() => {
    const changed = () => void (!document.hidden && shown());
    document.addEventListener('visibilitychange', changed);
    return () => document.removeEventListener('visibilitychange', changed);
  });
  let lost = false;
  $effect(() => {
    if (live.status === 'live' && lost) untrack(back);
    lost = live.status === 'reconnecting' || live.status === 'offline';
  });
}
