/** The server's routes of artifacts; `ref` of a version is `v3`, an alias or an id. */
import { exactJson, json, projectPath, request, runPath, type ProjectRef } from './api';
import type {
  Collection,
  CollectionChange,
  CollectionVersions,
  EntriesPage,
  Lineage,
  OneVersion,
  RunArtifacts,
  Version,
  VersionChange,
} from './artifacts';

/** A collection of a project. */
export interface CollectionRef extends ProjectRef {
  name: string;
}
/** A version of a collection. */
export interface VersionRef extends CollectionRef {
  ref: string;
}

/** Versions that are asked at once, and entries that are listed at once. */
const PAGE = 1000;
/** Entries that the server answers at once. */
export const MOST_ENTRIES_AT_ONCE = 10_000;

const collectionPath = (of: CollectionRef): string =>
  `${projectPath(of)}/artifacts/${encodeURIComponent(of.name)}`;
const versionPath = (of: VersionRef): string => `${collectionPath(of)}/${encodeURIComponent(of.ref)}`;

export const getCollections = async (ref: ProjectRef): Promise<Collection[]> =>
  (await json<{ collections: Collection[] }>(`${projectPath(ref)}/artifacts`)).collections;

/** A collection with its versions, the newest first; `cursor` is the `next` of an answer before. */
export const getVersions = (of: CollectionRef, cursor?: string): Promise<CollectionVersions> =>
  exactJson<CollectionVersions>(`${collectionPath(of)}?${pageOf(cursor)}`);

export const getVersion = (of: VersionRef): Promise<OneVersion> => exactJson<OneVersion>(versionPath(of));

/** The entries whose paths begin with `prefix`, by path. */
export const getEntries = (
  of: VersionRef,
  prefix: string,
  cursor: string | null,
  limit = PAGE,
): Promise<EntriesPage> =>
  json<EntriesPage>(`${versionPath(of)}/entries?${pageOf(cursor, { prefix, limit: String(limit) })}`);

/** What led to a version and what came of it, at most `depth` edges away. */
export const getLineage = (of: VersionRef, depth: number): Promise<Lineage> =>
  exactJson<Lineage>(`${versionPath(of)}/lineage?depth=${depth}`);

const change = <T>(path: string, what: CollectionChange | VersionChange): Promise<T> =>
  exactJson<T>(path, {
    method: 'PATCH',
    body: JSON.stringify(what),
    headers: { 'Content-Type': 'application/json' },
  });

export const changeVersion = (of: VersionRef, what: VersionChange): Promise<Version> =>
  change(versionPath(of), what);

export const changeCollection = (of: CollectionRef, what: CollectionChange): Promise<Collection> =>
  change(collectionPath(of), what);

/** Deletes a collection with all that was logged to it, its links elsewhere too. */
export const deleteCollection = async (of: CollectionRef): Promise<void> =>
  void (await request(collectionPath(of), { method: 'DELETE' }));

/** Deletes a version, its aliases with it. */
export const deleteVersion = async (of: VersionRef): Promise<void> =>
  void (await request(`${versionPath(of)}?aliases=1`, { method: 'DELETE' }));

/** Takes a link out of its collection; what it links to stays. */
export const removeLink = async (of: VersionRef): Promise<void> =>
  void (await request(`${collectionPath(of)}/links/${encodeURIComponent(of.ref)}`, { method: 'DELETE' }));

export const getRunArtifacts = (ref: ProjectRef, run: string): Promise<RunArtifacts> =>
  exactJson<RunArtifacts>(`${runPath(ref, run)}/artifacts`);

function pageOf(cursor: string | null | undefined, more: Record<string, string> = {}): string {
  const asked = new URLSearchParams({ limit: String(PAGE), ...more });
  if (cursor) asked.set('cursor', cursor);
  return asked.toString();
}
