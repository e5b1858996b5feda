/** What the media panels of one page share: whose runs, which steps, what is open. */
import { router } from '../app/router.svelte';
import type { ProjectRef } from '../data/api';
import type { Crosshair } from '../panels/board.svelte';
import type { Look } from '../state/colors';
import { toggled } from '../state/urlState';
import { MediaItems } from './mediaItems.svelte';
import { decodeMedia, encodeMedia, withStep, type ItemRef, type MediaView } from './mediaView';

/** What the charts of the page know as well. */
export interface Shared {
  looks: ReadonlyMap<string, Look>;
  names: ReadonlyMap<string, string>;
  crosshair: Crosshair | null;
}

export class MediaBoard {
  readonly items: MediaItems;
  readonly view: MediaView = $derived(decodeMedia(router.search));

  constructor(
    readonly ref: ProjectRef,
    readonly shared: Shared,
    /** Whether the crosshair of the charts is a step. */
    private readonly isStep: () => boolean = () => true,
  ) {
    this.items = new MediaItems(ref);
  }

  /** The step that a section asks for, null for the last one of each: that of its charts while one is read. */
  sectionStep(section: string): number | null {
    const { crosshair } = this.shared;
    if (crosshair?.section === section && this.isStep()) return Math.floor(crosshair.x);
    return this.view.sections.get(section) ?? null;
  }

  isOwn(key: string): boolean {
    return this.view.keys.has(key);
  }

  stepOf(section: string, key: string): number | null {
    return this.view.keys.get(key) ?? this.sectionStep(section);
  }

  /** Null follows the end. */
  setSectionStep(section: string, step: number | null): void {
    this.change({ sections: withStep(this.view.sections, section, step) }, false);
  }

  /** Null follows the section. */
  setKeyStep(key: string, step: number | null): void {
    this.change({ keys: withStep(this.view.keys, key, step) }, false);
  }

  toggleSpread(key: string): void {
    this.change({ spread: toggled(this.view.spread, key) }, true);
  }

  toggleRidges(key: string): void {
    this.change({ ridges: toggled(this.view.ridges, key) }, true);
  }

  toggleMarks(): void {
    this.change({ marks: !this.view.marks }, true);
  }

  /** Opens an item alone, another one in its place, or none. */
  open(open: ItemRef | null): void {
    this.change({ open }, (this.view.open === null) !== (open === null));
  }

  private change(part: Partial<MediaView>, push: boolean): void {
    router.setSearch(encodeMedia({ ...this.view, ...part }, router.search), push);
  }
}
