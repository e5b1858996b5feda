/** When a line of output began, as text; and which line an address means. */
import type { LogTime } from './runView';

const two = (value: number) => String(value).padStart(2, '0');
const three = (value: number) => String(value).padStart(3, '0');

/** `14:03:07.120` in the browser's zone, or `0:12:04.500` since the run's start; empty for off. */
export function lineTime(millis: number, how: LogTime, startMillis: number): string {
  if (how === 'off') return '';
  if (how === 'clock') {
    const date = new Date(millis);
    const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
    return `${parts}.${three(date.getMilliseconds())}`;
  }
  const since = Math.max(0, Math.round(millis - startMillis));
  const [hours, minutes, secs] = [since / 3_600_000, (since / 60_000) % 60, (since / 1000) % 60].map(
    Math.floor,
  );
  return `${hours ?? 0}:${two(minutes ?? 0)}:${two(secs ?? 0)}.${three(since % 1000)}`;
}

/** The number of the line that a fragment such as `#L1234` names. */
export function lineOfHash(hash: string): number | null {
  const match = /^#L(\d{1,15})$/.exec(hash);
  return match ? Number(match[1]) : null;
}
