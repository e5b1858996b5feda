/** The file that is shown of a logged page. */

/** The hash of the page that goes with a figure, such as Bokeh's; null for what is a page itself. */
export function pageOf(value: unknown): string | null {
  const html: unknown = typeof value === 'object' && value !== null && 'html' in value ? value.html : null;
  const sha256: unknown = typeof html === 'object' && html !== null && 'sha256' in html ? html.sha256 : null;
  return typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null;
}

/** Bokeh's own, where a figure says none. */
const USUAL = 600;
/** What a panel gives a figure, in CSS pixels: of a higher one the frame is scrolled. */
const MOST = 640;

const member = (value: unknown, name: string | number): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[name] : undefined;

/** How high a frame shows the first root of a document of Bokeh, in CSS pixels. */
export function figureHeight(document: unknown): number {
  const height = member(member(member(member(document, 'roots'), 0), 'attributes'), 'height');
  return Math.min(MOST, typeof height === 'number' && height > 0 ? height : USUAL);
}
