/** What keys have at steps, as reactive state. */
import type { ApiError, ProjectRef } from '../data/api';
import type { MediaItem } from '../data/media';
import { ItemPages } from './itemPages';
import type { ItemRef } from './mediaView';

export class MediaItems {
  /** Pages live outside of `$state`; this counts their changes. */
  private version = $state(0);
  private readonly pages: ItemPages;

  constructor(ref: ProjectRef) {
    this.pages = new ItemPages(ref, () => this.version++);
  }

  get(item: ItemRef): MediaItem | ApiError | null | undefined {
    void this.version;
    return this.pages.get(item);
  }

  want(items: readonly ItemRef[]): void {
    this.pages.want(items);
  }

  refresh(): void {
    this.pages.refresh();
  }
}
