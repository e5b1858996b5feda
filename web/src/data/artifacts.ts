/** Artifacts as the server answers them. */
import type { ProjectRef } from './api';

/** A run, as artifacts name it. */
export interface RunRef extends ProjectRef {
  run: string;
  name: string;
}

export interface Collection {
  type: string;
  name: string;
  description: string | null;
  tags: string[];
  /** How many versions it has. */
  versions: number;
  latest: {
    version: string;
    aliases: string[];
    /** Epoch seconds. */
    created: number;
    /** Bytes. */
    size: number;
    count: number;
    digest: string;
  } | null;
  created: number;
  updated: number;
}

export type ArtifactState = 'pending' | 'committed' | 'failed' | 'deleted';

export interface Version extends ProjectRef {
  id: string;
  /** The collection's. */
  name: string;
  type: string;
  /** As `v3`; null until it is committed. */
  version: string | null;
  aliases: string[];
  tags: string[];
  digest: string;
  /** Bytes. */
  size: number;
  /** Of entries. */
  count: number;
  description: string | null;
  metadata: Record<string, unknown> | null;
  created: number;
  state: ArtifactState;
  /** Why it failed, or what a pending one waits for; empty when there is nothing to say. */
  reason: string;
  /** Of a linked one: the version that it is. */
  source: (ProjectRef & { name: string; version: string }) | null;
  run: RunRef | null;
}

export interface OneVersion extends Version {
  logged_by: RunRef[];
  used_by: RunRef[];
  /** SHA-256 of the list of its entries. */
  manifest: string | null;
}

export interface CollectionVersions extends Collection {
  list: Version[];
  next: string | null;
  /** What was logged to it and is no version (yet): pending or failed, the newest first. */
  unfinished: Version[];
}

export interface Entry {
  path: string;
  /** Bytes; null where a reference does not say it. */
  size: number | null;
  /** In hexadecimal; null for a reference. */
  sha256: string | null;
  digest: string;
  /** The address that a reference names. */
  ref: string | null;
  extra: Record<string, unknown> | null;
}

export interface EntriesPage {
  entries: Entry[];
  next: string | null;
}

/** `key` is one of the ends of edges. */
export type LineageNode = { key: string } & (({ kind: 'run' } & RunRef) | ({ kind: 'artifact' } & Version));

export interface LineageEdge {
  from: string;
  to: string;
  how: 'logged' | 'used';
}

export interface Lineage {
  nodes: LineageNode[];
  edges: LineageEdge[];
  truncated: unknown;
}

export interface RunArtifacts {
  logged: Version[];
  used: (Version & { use_as: string })[];
  /** What the run asked for and was not, or not yet, done. */
  undone: {
    op: string;
    /** As the run named it. */
    artifact: string;
    /** The collection that it was to be linked to. */
    to: string | null;
    state: string;
    reason: string;
    time: number;
  }[];
}

/** What can be changed of a collection. */
export interface CollectionChange {
  description?: string;
  tags_add?: string[];
  tags_remove?: string[];
}

/** What can be changed of a version. */
export interface VersionChange extends CollectionChange {
  aliases_add?: string[];
  aliases_remove?: string[];
}
