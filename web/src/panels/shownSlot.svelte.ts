/** What a loader holds for one chart, while the chart is near the screen. */
import { untrack } from 'svelte';
import type { PanelLoader, Slot } from '../state/panelLoader';

interface Options {
  loader: PanelLoader;
  key: () => string;
  /** The element that has to be near the screen. */
  root: () => HTMLElement | undefined;
  /** Device pixels of the plot's width; 0 while it has none. */
  px: () => number;
  /** Whether it is shown wherever it is. */
  always: boolean;
}

/** Make it while a component starts: it ends with it. */
export class ShownSlot {
  visible = $state(false);
  /** The slot lives outside of `$state`; this counts its changes. */
  version = $state(0);
  slot: Slot | null = null;

  constructor({ loader, key, root, px, always }: Options) {
    this.visible = always;
    $effect(() => {
      const element = root();
      if (!element || always) return;
      const observer = new IntersectionObserver(
        ([entry]) => {
          this.visible = entry?.isIntersecting ?? false;
        },
        { root: element.closest('[data-scroller]'), rootMargin: '300px 0px' },
      );
      observer.observe(element);
      return () => observer.disconnect();
    });
    $effect(() => {
      const [name, width] = [key(), px()];
      if (!this.visible || width === 0) return;
      // Untracked: the listener is called at once, and changes the version that it reads.
      const leave = untrack(() => loader.show(name, width, (changed) => this.take(changed)));
      return () => {
        leave();
        // Out of sight nothing is on its way any more.
        if (this.slot?.status === 'loading') this.take({ ...this.slot, status: 'idle' });
      };
    });
  }

  private take(slot: Slot): void {
    this.slot = slot;
    this.version++;
  }
}
