/** The entries of an artifact in their folders. */
import type { Entry } from '../data/artifacts';

export interface EntryFolder {
  /** With its last `/`; empty for the outermost. */
  path: string;
  /** The last part of the path, or several where each holds only the next. */
  name: string;
  folders: EntryFolder[];
  entries: Entry[];
  /** Of all entries below it. */
  count: number;
  bytes: number;
}

/** The tree of entries, both by name. A folder that holds nothing but another one is shown with it. */
export function treeOf(entries: readonly Entry[]): EntryFolder {
  const root = folderAt('');
  const folders = new Map([['', root]]);
  const folder = (path: string): EntryFolder => {
    const known = folders.get(path);
    if (known) return known;
    const made = folderAt(path);
    folders.set(path, made);
    folder(path.slice(0, path.lastIndexOf('/', path.length - 2) + 1)).folders.push(made);
    return made;
  };
  for (const entry of entries)
    folder(entry.path.slice(0, entry.path.lastIndexOf('/') + 1)).entries.push(entry);
  return finished(root);
}

const folderAt = (path: string): EntryFolder => ({
  ...{ path, name: path.split('/').at(-2) ?? '' },
  ...{ folders: [], entries: [], count: 0, bytes: 0 },
});

const byName = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

function finished(given: EntryFolder): EntryFolder {
  let folder = given;
  const names = [folder.name];
  while (folder.path !== '' && folder.entries.length === 0 && folder.folders.length === 1) {
    folder = folder.folders[0] as EntryFolder;
    names.push(folder.name);
  }
  const folders = folder.folders.map(finished).sort((a, b) => byName(a.path, b.path));
  const entries = [...folder.entries].sort((a, b) => byName(a.path, b.path));
  return {
    ...{ path: folder.path, name: names.join('/'), folders, entries },
    count: entries.length + sum(folders, ({ count }) => count),
    bytes: sum(entries, ({ size }) => size ?? 0) + sum(folders, ({ bytes }) => bytes),
  };
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);
