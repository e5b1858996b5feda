/** Collections of artifacts by their types, and versions as texts. */
import type { Collection, Version } from '../data/artifacts';

/** What runs log by themselves comes last, and is not shown among what people named. */
const OWN_TYPES = ['run_table', 'code'];

export interface TypeCount {
  type: string;
  count: number;
  /** Whether runs log it by themselves. */
  folds: boolean;
}

/** The types of some collections by name; those that fold come last. */
export function typesOf(collections: readonly Collection[]): TypeCount[] {
  const counts = new Map<string, number>();
  for (const { type } of collections) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts]
    .map(([type, count]) => ({ type, count, folds: OWN_TYPES.includes(type) }))
    .sort((a, b) => Number(a.folds) - Number(b.folds) || byName(a.type, b.type));
}

/**
 * The collections of a type (null: of all that do not fold) in which every word of a search is found: in the
 * name, type, description, tags and the aliases of the latest version. The last that changed comes first.
 */
export function collectionsOf(
  collections: readonly Collection[],
  type: string | null,
  search: string,
): Collection[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return collections
    .filter((one) => (type === null ? !OWN_TYPES.includes(one.type) : one.type === type))
    .filter((one) => {
      const { name, description, tags, latest } = one;
      const text = [name, one.type, description ?? '', ...tags, ...(latest?.aliases ?? [])].join('\n');
      return words.every((word) => text.toLowerCase().includes(word));
    })
    .sort((a, b) => b.updated - a.updated || byName(a.name, b.name));
}

const byName = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/** What its address names a version by: one that has no number yet has its id. */
export const refOf = ({ version, id }: Pick<Version, 'version' | 'id'>): string => version ?? id;

/** `v3`, or what has become of a version without a number. */
export const versionText = ({ version, state }: Pick<Version, 'version' | 'state'>): string =>
  version ?? state;

/** Versions, and beside them what has become none, where it would stand by its time; the newest come first. */
export function merged(versions: readonly Version[], unfinished: readonly Version[]): Version[] {
  const rest = [...unfinished];
  const list = versions.flatMap((version) => {
    const newer = rest.findIndex(({ created }) => created < version.created);
    return [...rest.splice(0, newer === -1 ? rest.length : newer), version];
  });
  return [...list, ...rest];
}

/** The version that an address names: a number, an alias or an id; null for the latest. */
export function chosenVersion(versions: readonly Version[], ref: string | null): Version | null {
  if (ref === null) return versions.find(({ aliases }) => aliases.includes('latest')) ?? versions[0] ?? null;
  return (
    versions.find(({ version }) => version === ref) ??
    versions.find(({ aliases }) => aliases.includes(ref)) ??
    versions.find(({ id }) => id === ref) ??
    null
  );
}

/** As Python writes it. */
const quoted = (text: string): string => JSON.stringify(text);

/** The lines of a program that takes a version: within a run, and without one. */
export function useLines(version: Pick<Version, 'entity' | 'project' | 'name' | 'version' | 'id'>): {
  run: string;
  api: string;
} {
  const { entity, project, name } = version;
  const full = quoted(`${entity}/${project}/${name}:${refOf(version)}`);
  return {
    run: `artifact = run.use_artifact(${full})\nfolder = artifact.download()`,
    api: `import steplog\n\nfolder = steplog.Api().artifact(${full}).download()`,
  };
}

/** Why a text can be no alias or tag; null when it can. */
export function nameHint(text: string, isAlias: boolean): string | null {
  if (text.trim() === '') return 'It is empty.';
  if (!isAlias) return null;
  if (/[/:]/.test(text)) return 'An alias has no / and no : in it.';
  if (text === 'latest') return '“latest” is always the newest version.';
  return /^v\d+$/.test(text) ? 'v and a number always names a version.' : null;
}
