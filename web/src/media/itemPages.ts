/** What keys have at steps, asked page by page when it is about to be seen, and kept. */
import { ApiError, queryMediaItems, type ProjectRef } from '../data/api';
import type { MediaItem } from '../data/media';
import type { ItemRef } from './mediaView';

/** Items of a request: more than a screen of small pictures. */
export const PAGE = 60;
/** Pages that are kept: the steps that somebody goes back and forth between. */
const KEPT = 400;
/** Requests under way: a browser has six connections, and others need some. */
const AT_ONCE = 3;

type Page = Map<number, MediaItem> | ApiError | 'asked';

const nameOf = ({ key, run, label, step, index }: ItemRef): string =>
  JSON.stringify([key, step, Math.floor(index / PAGE), run, label]);

export class ItemPages {
  private readonly pages = new Map<string, Page>();
  private wanted: ItemRef[] = [];
  private readonly waiting: ItemRef[][] = [];
  private underWay = 0;

  constructor(
    private readonly ref: ProjectRef,
    /** Called when `get` has another answer. */
    private readonly changed: () => void,
  ) {}

  /** The item, or why there is none; undefined while that is not known. */
  get(item: ItemRef): MediaItem | ApiError | null | undefined {
    const page = this.pages.get(nameOf(item));
    if (page === undefined || page === 'asked') return undefined;
    return page instanceof ApiError ? page : (page.get(item.index) ?? null);
  }

  /** Asks for what is not there yet, all of one turn together. */
  want(items: readonly ItemRef[]): void {
    for (const item of items) {
      const name = nameOf(item);
      const page = this.pages.get(name);
      if (page !== undefined) {
        // The last used ones are kept.
        this.pages.delete(name);
        this.pages.set(name, page);
        continue;
      }
      this.pages.set(name, 'asked');
      this.wanted.push(item);
      if (this.wanted.length === 1) queueMicrotask(() => this.ask());
    }
    if (this.pages.size > KEPT) this.forget([...this.pages.keys()].slice(0, this.pages.size - KEPT));
  }

  /** What was not whole, or could not be had, is asked for when it is wanted again. */
  refresh(): void {
    const isWhole = (page: Page) =>
      page === 'asked' ||
      (page instanceof Map && [...page.values()].every((item) => item.state !== 'wanted'));
    this.forget([...this.pages].flatMap(([name, page]) => (isWhole(page) ? [] : [name])));
    this.changed();
  }

  private forget(names: readonly string[]): void {
    for (const name of names) if (this.pages.get(name) !== 'asked') this.pages.delete(name);
  }

  private ask(): void {
    const { wanted } = this;
    this.wanted = [];
    // Runs that show the same step of a key are one request.
    const requests = new Map<string, ItemRef[]>();
    for (const item of wanted) {
      const name = JSON.stringify([item.key, item.step, Math.floor(item.index / PAGE)]);
      requests.set(name, [...(requests.get(name) ?? []), item]);
    }
    this.waiting.push(...requests.values());
    this.send();
  }

  /** The latest first: whoever goes through many steps waits for the last one. */
  private send(): void {
    while (this.underWay < AT_ONCE) {
      const items = this.waiting.pop();
      if (!items) return;
      this.underWay++;
      void this.load(items).finally(() => {
        this.underWay--;
        this.send();
      });
    }
  }

  private async load(items: readonly ItemRef[]): Promise<void> {
    const [{ key, step, index }] = items as [ItemRef];
    const offset = Math.floor(index / PAGE) * PAGE;
    const pages = new Map<string, Page>(items.map((item) => [nameOf(item), new Map()]));
    try {
      const runs = [...new Set(items.map(({ run }) => run))];
      const found = await queryMediaItems(
        this.ref,
        { runs, keys: [key], steps: [step] },
        { offset, limit: PAGE },
      );
      for (const item of found) {
        const page = pages.get(nameOf(item));
        if (page instanceof Map) page.set(item.index, item);
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      for (const name of pages.keys()) pages.set(name, error);
    }
    for (const [name, page] of pages) this.pages.set(name, page);
    this.changed();
  }
}
