/** Where a list of millions of lines is scrolled to: a line at the top, and how far it is scrolled out. */

/** Lines are this high unless they were measured otherwise, in CSS pixels. */
export const LINE_HEIGHT = 18;
/** Browsers draw nothing beyond some 16 million pixels: a longer list is scrolled in proportion. */
export const MOST_HEIGHT = 8_000_000;

export interface Anchor {
  place: number;
  /** Pixels of that line above the top. */
  offset: number;
}

export class Lines {
  /** Heights of lines that are not of the usual one. */
  private readonly heights = new Map<number, number>();

  /** `total` lines in a window of `height` pixels. */
  constructor(
    public total: number,
    public height: number,
  ) {}

  heightOf(place: number): number {
    return this.heights.get(place) ?? LINE_HEIGHT;
  }

  /** Says how high a line is; whether that was not known. */
  measured(place: number, height: number): boolean {
    if (Math.abs(this.heightOf(place) - height) < 0.5) return false;
    if (Math.abs(height - LINE_HEIGHT) < 0.5) this.heights.delete(place);
    else this.heights.set(place, height);
    return true;
  }

  forget(): void {
    this.heights.clear();
  }

  /** Pixels from the top of the list to a place in it. */
  position({ place, offset }: Anchor): number {
    let more = 0;
    for (const [at, height] of this.heights) if (at < place) more += height - LINE_HEIGHT;
    return place * LINE_HEIGHT + more + offset;
  }

  /** Pixels of the whole list. */
  get whole(): number {
    return this.position({ place: this.total, offset: 0 });
  }

  /** How high the scrolled element is. */
  get scrolled(): number {
    return Math.max(this.height, Math.min(this.whole, MOST_HEIGHT));
  }

  /** The place with the last line at the bottom. */
  get tail(): Anchor {
    let [place, left] = [this.total, this.height];
    while (place > 0 && left > 0) left -= this.heightOf(--place);
    return { place, offset: Math.max(0, -left) };
  }

  isAtTail(anchor: Anchor): boolean {
    return this.position(anchor) >= this.position(this.tail) - 2;
  }

  /** A place moved by pixels, and no further than the ends. */
  moved({ place, offset }: Anchor, delta: number): Anchor {
    let at = place;
    let left = offset + delta;
    while (left < 0 && at > 0) left += this.heightOf(--at);
    while (at < this.total && left >= this.heightOf(at)) left -= this.heightOf(at++);
    const moved = { place: at, offset: Math.max(0, left) };
    return this.isBeyond(moved) ? this.tail : moved;
  }

  /** Where a scroll bar at `top` has the list. */
  at(top: number): Anchor {
    const { range, end, edge, scale } = this.bar;
    const at = Math.min(range, Math.max(0, top));
    const target = at <= edge ? at : at >= range - edge ? end - (range - at) : edge + (at - edge) * scale;
    const near = { place: Math.min(this.total, Math.floor(target / LINE_HEIGHT)), offset: 0 };
    return this.moved(near, target - this.position(near));
  }

  /** Where the scroll bar belongs. */
  topOf(anchor: Anchor): number {
    const { range, end, edge, scale } = this.bar;
    const at = this.position(anchor);
    return at <= edge ? at : at >= end - edge ? range - (end - at) : edge + (at - edge) / scale;
  }

  /** A line in the middle of the window. */
  centered(place: number): Anchor {
    return this.moved({ place, offset: 0 }, -Math.max(0, this.height - LINE_HEIGHT) / 2);
  }

  /** The places on screen, the last one not included. */
  shown({ place, offset }: Anchor): { from: number; to: number } {
    let [to, left] = [place, this.height + offset];
    while (to < this.total && left > 0) left -= this.heightOf(to++);
    return { from: place, to };
  }

  /** How the bar goes: pixel by pixel near the ends, so that they are reached; in proportion between. */
  private get bar() {
    const range = this.scrolled - this.height;
    const end = this.position(this.tail);
    const edge = end > range ? range / 8 : Math.max(end, range);
    return { range, end, edge, scale: end > range ? (end - 2 * edge) / (range - 2 * edge) : 1 };
  }

  private isBeyond(anchor: Anchor): boolean {
    const { tail } = this;
    return anchor.place > tail.place || (anchor.place === tail.place && anchor.offset > tail.offset);
  }
}
