/** How keys become sections of panels, and how the search box picks among them. */
import type { Bounds } from '../chart/extent';
import { displayKeys } from '../data/keys';
import type { KeyInfo } from '../data/types';

export interface Panel {
  /** The escaped key, as the server spells it. */
  key: string;
  /** The key as people logged it; as the server spells it where two would look the same. */
  title: string;
  /** What it belongs to, when the title does not say. */
  owner?: string;
  /** What it draws of a run when that is not the key. */
  lines?: readonly Line[];
  /** Whether it is one picture of all devices, a row each. */
  devices?: true;
  /** What its values are in, and where their scale begins and ends. */
  scale?: { unit: string; bounds: Bounds };
}
/** One of several things in a chart: they are told apart by colour, and writers by dashes. */
export interface Line {
  name: string;
  title: string;
  /** Not measured: what the others cannot go beyond. */
  isLimit?: boolean;
}
export interface Section {
  name: string;
  panels: Panel[];
}

/** Where keys without a slash go. */
export const UNPREFIXED = 'charts';

/** Whether a key has numbers to draw. */
export function isPlotted(key: KeyInfo): boolean {
  return key.kinds.includes('number') || key.kinds.includes('bool');
}

/** Groups keys by the text before their first slash; keys without one come first. */
export function sectionsOf(keys: readonly Pick<KeyInfo, 'name'>[]): Section[] {
  const sections = new Map<string, Panel[]>();
  const titles = displayKeys(keys.map((key) => key.name));
  for (const [i, key] of keys.entries()) {
    const title = titles[i] as string;
    const slash = title.indexOf('/');
    const name = slash > 0 ? title.slice(0, slash) : UNPREFIXED;
    const panels = sections.get(name);
    if (panels) panels.push({ key: key.name, title });
    else sections.set(name, [{ key: key.name, title }]);
  }
  return [...sections]
    .map(([name, panels]) => ({ name, panels }))
    .sort((a, b) => Number(b.name === UNPREFIXED) - Number(a.name === UNPREFIXED));
}

export type Matcher = { ok: true; test: (text: string) => boolean } | { ok: false; reason: string };

/**
 * Reads a search: `/regex/`, a glob when it holds `*` or `?`, else words that must all occur. Case is ignored.
 */
export function matcherOf(query: string): Matcher {
  const trimmed = query.trim();
  if (trimmed === '') return { ok: true, test: () => true };
  const regex = /^\/(.+?)\/?$/.exec(trimmed);
  try {
    if (regex) {
      const pattern = new RegExp(regex[1] as string, 'i');
      return { ok: true, test: (text) => pattern.test(text) };
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, reason: message.replace(/^Invalid regular expression: .*\/i: /s, '') };
  }
  if (/[*?]/.test(trimmed)) {
    const source = trimmed
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    const pattern = new RegExp(`^${source}$`, 'i');
    return { ok: true, test: (text) => pattern.test(text) };
  }
  const words = trimmed.toLowerCase().split(/\s+/);
  return {
    ok: true,
    test: (text) => {
      const lower = text.toLowerCase();
      return words.every((word) => lower.includes(word));
    },
  };
}

/** The panels that a search finds, by section; a search that cannot be read finds all. */
export function matching(sections: readonly Section[], matcher: Matcher): Section[] {
  if (!matcher.ok) return [...sections];
  return sections.flatMap(({ name, panels }) => {
    const found = panels.filter((panel) => matcher.test(panel.title));
    return found.length ? [{ name, panels: found }] : [];
  });
}

/** The sections of both, those of a name as one. */
export function joined(a: readonly Section[], b: readonly Section[]): Section[] {
  const names = [...new Set([...a, ...b].map(({ name }) => name))];
  const of = (sections: readonly Section[], wanted: string) =>
    sections.find(({ name }) => name === wanted)?.panels ?? [];
  return names
    .map((name) => ({ name, panels: [...of(a, name), ...of(b, name)] }))
    .sort((x, y) => Number(y.name === UNPREFIXED) - Number(x.name === UNPREFIXED));
}

/** The panel of a key. */
export const panelOf = (sections: readonly Section[], key: string | null): Panel | undefined =>
  key ? sections.flatMap((section) => section.panels).find((panel) => panel.key === key) : undefined;

/** Sections that start folded: all after the first that bring the page over `limit` panels. */
export function foldedByDefault(sections: readonly Section[], limit = 240): Set<string> {
  const folded = new Set<string>();
  let count = 0;
  for (const { name, panels } of sections) {
    if (count > 0 && count + panels.length > limit) folded.add(name);
    else count += panels.length;
  }
  return folded;
}
