/** What is searched for in the output, and how one goes from match to match. */
import type { LogQuery, MatchRange } from '../data/api';
import type { LogMatches } from '../data/types';

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

/** Some matches in a row, `first` of which is so far from the first of all. */
type Known = Pick<LogMatches, 'lines' | 'first' | 'matched' | 'total'>;

/** The match after or before a line, around the end; or what to ask for, where it is not known. */
export function nextMatch(known: Known, line: number | null, by: 1 | -1): number | MatchRange | null {
  const { lines, first, matched, total } = known;
  if (matched === 0) return null;
  const [start, end] = [lines[0] ?? Infinity, lines.at(-1) ?? -Infinity];
  const isFirst = first === 0;
  const isLast = first + lines.length >= matched;
  if (by > 0) {
    if (line === null) return isFirst && lines.length > 0 ? start : { from: 0 };
    if (line >= end && isLast) return isFirst ? start : { from: 0 };
    const found = lines[matchAfter(lines, line + 1)];
    return found !== undefined && (isFirst || line >= start) ? found : { from: line + 1 };
  }
  if (line === null) return isLast && lines.length > 0 ? end : { to: total };
  if (line <= start && isFirst) return isLast ? end : { to: total };
  const found = lines[matchAfter(lines, line) - 1];
  return found !== undefined && (isLast || line <= end) ? found : { to: line - 1 };
}

/** `3 of 1,204`; without a chosen match how many there are. */
export function matchText({ lines, first, matched }: Omit<Known, 'total'>, line: number | null): string {
  const count = matched.toLocaleString('en-US');
  if (matched === 0) return 'no match';
  const at = line === null ? -1 : lines.indexOf(line);
  if (at < 0) return matched === 1 ? '1 match' : `${count} matches`;
  return `${(first + at + 1).toLocaleString('en-US')} of ${count}`;
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
