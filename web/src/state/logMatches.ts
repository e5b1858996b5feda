/** What is searched for in the output, and how one goes from match to match. */
import type { LogQuery } from '../data/api';

/** `/a|b/` is a regular expression, anything else a text; null for nothing. */
export function readLogQuery(text: string, hasCase: boolean): LogQuery | null {
  const regex = /^\/(.+)\/$/s.exec(text);
  const q = regex ? (regex[1] as string) : text;
  return q ? { q, regex: regex !== null, case: hasCase } : null;
}

/** The index of the first match at or after a line; their count where there is none. */
export function matchAfter(matches: readonly number[], line: number): number {
  let [lo, hi] = [0, matches.length];
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((matches[mid] as number) < line) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** The match after or before a line, around the end; null without any. */
export function stepMatch(matches: readonly number[], line: number | null, by: 1 | -1): number | null {
  if (matches.length === 0) return null;
  const from = line ?? (by > 0 ? -1 : Infinity);
  const at = by > 0 ? matchAfter(matches, from + 1) : matchAfter(matches, from) - 1;
  return matches[(at + matches.length) % matches.length] as number;
}

/** `3 of 1,204`; without a chosen match how many there are. */
export function matchText(matches: readonly number[], matched: number, line: number | null): string {
  const count = matched.toLocaleString('en-US');
  if (matched === 0) return 'no match';
  const at = line === null ? -1 : matches.indexOf(line);
  if (at < 0) return matched === 1 ? '1 match' : `${count} matches`;
  return `${(at + 1).toLocaleString('en-US')} of ${count}`;
}

/** The line that a part of the map begins with. */
export const lineOfPart = (part: number, parts: number, total: number): number =>
  Math.floor((part / parts) * total);

/** The parts of the map that have matches: where, and how dark, from 0 to 1. */
export function mapMarks(map: readonly number[]): { part: number; weight: number }[] {
  const most = Math.max(1, ...map);
  return map.flatMap((count, part) =>
    count > 0 ? [{ part, weight: 0.35 + 0.65 * Math.sqrt(count / most) }] : [],
  );
}
