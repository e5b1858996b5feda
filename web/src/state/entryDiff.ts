/** How the entries of two versions differ. */
import type { Entry } from '../data/artifacts';

export interface EntryChange {
  kind: 'added' | 'removed' | 'changed';
  path: string;
  /** Null where there is none. */
  before: Entry | null;
  after: Entry | null;
}

export interface EntryDiff {
  /** By path. */
  changes: EntryChange[];
  /** Entries that are the same in both. */
  same: number;
}

/** What became of the entries `before`. Equal digests, and addresses of references, are equal contents. */
export function diffOf(before: readonly Entry[], after: readonly Entry[]): EntryDiff {
  const old = new Map(before.map((entry) => [entry.path, entry]));
  const changes: EntryChange[] = [];
  let same = 0;
  for (const entry of after) {
    const was = old.get(entry.path) ?? null;
    old.delete(entry.path);
    if (was && isSame(was, entry)) same += 1;
    else changes.push({ kind: was ? 'changed' : 'added', path: entry.path, before: was, after: entry });
  }
  for (const entry of old.values())
    changes.push({ kind: 'removed', path: entry.path, before: entry, after: null });
  changes.sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
  return { changes, same };
}

const isSame = (a: Entry, b: Entry): boolean => a.digest === b.digest && a.ref === b.ref;

/** The bytes by which a change makes the artifact larger. */
export const growthOf = ({ before, after }: EntryChange): number => (after?.size ?? 0) - (before?.size ?? 0);
