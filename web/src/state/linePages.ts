/** Which lines of a long output are held: pages around what is on screen. */
import type { LogLine } from '../data/types';

/** Lines of a page; an answer fills up to four. */
export const PAGE_LINES = 500;
/** The server's answers must stay small: at most so many lines are asked at once. */
export const MOST_ASKED = 2000;
/** Pages held on each side of the screen: 5,000 lines. */
const KEPT = 10;
/** The cursor of a terminal goes back 64 lines at most: those before are done. */
export const OPEN_LINES = 64;

export interface Range {
  from: number;
  limit: number;
}

export class LinePages {
  private readonly pages = new Map<number, (LogLine | undefined)[]>();

  get size(): number {
    return this.pages.size;
  }

  line(place: number): LogLine | undefined {
    return this.pages.get(Math.floor(place / PAGE_LINES))?.[place % PAGE_LINES];
  }

  /** Keeps lines, the first of which is at `first`. */
  put(first: number, lines: readonly LogLine[]): void {
    for (const [i, line] of lines.entries()) {
      const page = Math.floor((first + i) / PAGE_LINES);
      let held = this.pages.get(page);
      if (!held) this.pages.set(page, (held = []));
      held[(first + i) % PAGE_LINES] = line;
    }
  }

  /** What to ask so that the lines from `from` up to `to` (not included) are there; null when they are. */
  missing(from: number, to: number, total: number): Range | null {
    const isMissing = (place: number) => this.line(place) === undefined;
    let [lo, hi] = [Math.max(0, from), Math.min(to, total)];
    while (lo < hi && !isMissing(lo)) lo++;
    while (lo < hi && !isMissing(hi - 1)) hi--;
    if (lo >= hi) return null;
    const start = Math.floor(lo / PAGE_LINES) * PAGE_LINES;
    const end = Math.min(Math.ceil(hi / PAGE_LINES) * PAGE_LINES, start + MOST_ASKED);
    return { from: start, limit: end - start };
  }

  /** Drops the pages that are far from a place. */
  keepAround(place: number): void {
    const center = Math.floor(place / PAGE_LINES);
    for (const page of this.pages.keys()) if (Math.abs(page - center) > KEPT) this.pages.delete(page);
  }

  clear(): void {
    this.pages.clear();
  }
}

/** What a live output is asked for: the lines that may have changed, and those that are new. */
export const tailRange = (total: number): Range => ({
  from: Math.max(0, total - OPEN_LINES),
  limit: MOST_ASKED,
});

/** A place, and the number of its line. */
export interface Known {
  place: number;
  number: number;
}

/** Where a line is likely to be between two places; in the middle, where the guess before was a bad one. */
export function guessPlace(lo: Known, hi: Known, number: number, isBad: boolean): number {
  const share = hi.number > lo.number && !isBad ? (number - lo.number) / (hi.number - lo.number) : 0.5;
  return Math.floor(lo.place + Math.min(1, Math.max(0, share)) * (hi.place - lo.place));
}
