/** What a script needs in its environment to reach the server of this page. */

/** What the SDK uses when nothing is set. */
const DEFAULT_BASE_URL = 'http://127.0.0.1:7837';

/** The value of `STEPLOG_BASE_URL` for the server at `baseUri`; null when the SDK finds it without. */
export function baseUrlToSet(baseUri: string): string | null {
  const url = new URL('.', baseUri);
  // The server's own name for itself, under which the key file holds its key.
  if (url.hostname === 'localhost') url.hostname = '127.0.0.1';
  const text = url.href.replace(/\/$/, '');
  return text === DEFAULT_BASE_URL ? null : text;
}

/** Whether a script on this machine finds the server's key by itself. */
export function keyIsAtHand(baseUri: string): boolean {
  return /^(localhost|127\.|\[::1\])/.test(new URL(baseUri).hostname);
}
