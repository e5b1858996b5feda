/** Which rows of a long list are on screen. Browsers draw nothing that is taller than some 16 million pixels. */

/** Of the scrolled content, at most. */
export const MOST_PIXELS = 12e6;

export interface RowWindow {
  /** The first row that is drawn, and the one behind the last. */
  from: number;
  to: number;
  /** Where the first row is, from the top of the content. */
  top: number;
}

/** How tall the content is. */
export const contentHeight = (total: number, row: number): number => Math.min(total * row, MOST_PIXELS);

/**
 * The rows on screen, and a few beside, for a place of the scroll bar. Where the content would be too tall the bar
 * runs through it faster; its ends are those of the list.
 */
export function rowWindow(
  total: number,
  row: number,
  height: number,
  scrolled: number,
  beside = 4,
): RowWindow {
  const tall = contentHeight(total, row);
  const most = Math.max(0, tall - height);
  const at = Math.min(Math.max(0, scrolled), most);
  const pixels = most > 0 ? (at / most) * Math.max(0, total * row - height) : 0;
  const from = Math.max(0, Math.floor(pixels / row) - beside);
  const to = Math.min(total, Math.ceil((pixels + height) / row) + beside);
  return { from, to, top: at - (pixels - from * row) };
}

/** The place of the scroll bar that has a row in sight, moved as little as can be. */
export function scrolledTo(
  total: number,
  row: number,
  height: number,
  scrolled: number,
  place: number,
): number {
  const most = Math.max(0, contentHeight(total, row) - height);
  const all = Math.max(0, total * row - height);
  if (most === 0 || all === 0) return 0;
  const pixels = (Math.min(Math.max(0, scrolled), most) / most) * all;
  const wanted = Math.min(Math.max(pixels, (place + 1) * row - height), place * row);
  return (wanted / all) * most;
}
