/** Bytes of a file as text. */

const LINE_END = 0x0a;

/**
 * UTF-8; a line that is none is read as Windows-1252, as the output's bytes are. Of the begin of a file the letter is
 * left out that is cut off at the end.
 */
export function bytesText(bytes: Uint8Array, isBegin: boolean): string {
  const whole = utf8(bytes, isBegin);
  if (whole !== null) return whole;
  const other = new TextDecoder('windows-1252');
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(LINE_END, at);
    const line = bytes.subarray(at, end < 0 ? bytes.length : end + 1);
    lines.push(utf8(line, isBegin && end < 0) ?? other.decode(line));
    at += line.length;
  }
  return lines.join('');
}

function utf8(bytes: Uint8Array, isCut: boolean): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: isCut });
  } catch {
    return null; // it is something else
  }
}
