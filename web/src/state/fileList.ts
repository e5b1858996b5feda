/** Files of a run: who recorded them, and how they can be looked at. */
import { formatUnit } from '../chart/units';
import type { RunFile } from '../data/types';

/** Of a text no more than its begin is shown. */
export const MOST_SHOWN_BYTES = 300 * 1024;
/** An image is decoded by the browser: it may be larger. */
export const MOST_IMAGE_BYTES = 20 * 2 ** 20;

const IMAGES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  svg: 'image/svg+xml',
};
const TEXTS =
  /\.(txt|log|md|rst|csv|tsv|json|jsonl|ndjson|ya?ml|toml|ini|cfg|conf|env|patch|diff|py|ipynb|sh|js|ts|c|h|cc|cpp|cu|rs|go|java|html|css|xml|sql|lock)$/i;

/** A table is read whole to show its rows. */
const MOST_TABLE_BYTES = 4 * 2 ** 20;

/** `begin` is a text of which the begin is shown. */
export type Preview =
  | { kind: 'image'; type: string }
  | { kind: 'patch' | 'text' | 'begin' | 'table' | 'large' | 'none' | 'wanted' };

/** How a file is shown, by its name and size. */
export function previewOf({ name, size, state }: Pick<RunFile, 'name' | 'size' | 'state'>): Preview {
  if (state === 'wanted') return { kind: 'wanted' };
  const type = IMAGES[name.split('.').at(-1)?.toLowerCase() ?? ''];
  if (type && name.includes('.'))
    return size <= MOST_IMAGE_BYTES ? { kind: 'image', type } : { kind: 'large' };
  const base = name.split('/').at(-1) ?? '';
  if (base.endsWith('.table.json') && size <= MOST_TABLE_BYTES) return { kind: 'table' };
  if (!TEXTS.test(base) && base.includes('.')) return { kind: 'none' };
  if (size > MOST_SHOWN_BYTES) return { kind: 'begin' };
  return { kind: /\.(patch|diff)$/i.test(base) ? 'patch' : 'text' };
}

/** The whole lines of a text that was cut anywhere; of one without lines all. */
export const wholeLines = (begin: string): string => begin.slice(0, begin.lastIndexOf('\n') + 1) || begin;

/** How much of a file has come: `312 of 900 MiB`. */
export function arrivedOf({ size, have = 0 }: Pick<RunFile, 'size' | 'have'>): string {
  const [part, whole] = [formatUnit(have, 'B', 3), formatUnit(size, 'B', 3)];
  const unit = whole.slice(whole.lastIndexOf(' '));
  return `${part.endsWith(unit) ? part.slice(0, -unit.length) : part} of ${whole}`;
}

export interface FolderOf {
  /** Empty for files that are in none. */
  folder: string;
  files: RunFile[];
}

/** The files of one writer in their folders, both by name; those in none come first. */
export function foldersOf(files: readonly RunFile[], writer: string): FolderOf[] {
  const folders = new Map<string, RunFile[]>();
  for (const file of files) {
    const folder = file.name.split('/').slice(0, -1).join('/');
    const own = folders.get(folder) ?? [];
    // Of one name the latest comes first.
    if (file.writer !== writer || own.some(({ name }) => name === file.name)) continue;
    folders.set(folder, [...own, file]);
  }
  const byName = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true });
  return [...folders]
    .sort(([a], [b]) => byName(a, b))
    .map(([folder, own]) => ({ folder, files: own.sort((a, b) => byName(a.name, b.name)) }));
}

/** The writers that recorded files, by their labels. */
export function writersOf(files: readonly RunFile[]): RunFile[] {
  return files
    .filter(({ writer }, i) => files.findIndex((other) => other.writer === writer) === i)
    .sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }));
}

/** A text to look at: JSON is set out in lines. */
export function readableText(name: string, text: string): string {
  if (!name.endsWith('.json')) return text;
  try {
    // A number would lose digits: only a text without long ones is written anew.
    return /\d{16}|\d\.\d{15}/.test(text) ? text : JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
