/** The file that is shown of a logged page. */

/** The hash of the page that goes with a figure, such as Bokeh's; null for what is a page itself. */
export function pageOf(value: unknown): string | null {
  const html: unknown = typeof value === 'object' && value !== null && 'html' in value ? value.html : null;
  const sha256: unknown = typeof html === 'object' && html !== null && 'sha256' in html ? html.sha256 : null;
  return typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null;
}
