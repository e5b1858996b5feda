/** What the pages of artifacts show, as query parameters. */
import { writeQuery } from './urlState';

export const ARTIFACT_TABS = [
  { id: 'overview', name: 'Overview' },
  { id: 'files', name: 'Files' },
  { id: 'lineage', name: 'Lineage' },
  { id: 'compare', name: 'Compare' },
] as const;
export type ArtifactTab = (typeof ARTIFACT_TABS)[number]['id'];

export interface ArtifactView {
  tab: ArtifactTab;
  /** The path of the chosen entry. */
  file: string | null;
  /** What the paths of the listed entries begin with. */
  prefix: string;
  /** How many edges the lineage goes, both ways. */
  depth: number;
  /** The version that it is compared with; null for the one before. */
  other: string | null;
}

export const DEPTHS = [1, 2, 4, 8, 20] as const;
const DEFAULT_DEPTH = 2;

/** Reads a query string. Values that make no sense fall back on the default. */
export function decodeArtifactView(query: string): ArtifactView {
  const params = new URLSearchParams(query);
  return {
    tab: ARTIFACT_TABS.find(({ id }) => id === params.get('tab'))?.id ?? 'overview',
    file: params.get('file'),
    prefix: params.get('prefix') ?? '',
    depth: DEPTHS.find((depth) => String(depth) === params.get('depth')) ?? DEFAULT_DEPTH,
    other: params.get('with'),
  };
}

/** Writes a query string (with `?`, or empty). Other parameters of `previous` stay. */
export function encodeArtifactView(view: ArtifactView, previous = ''): string {
  return writeQuery(
    {
      tab: view.tab === 'overview' ? null : view.tab,
      file: view.file,
      prefix: view.prefix || null,
      depth: view.depth === DEFAULT_DEPTH ? null : String(view.depth),
      with: view.other,
    },
    previous,
  );
}

/** What the list of a project's collections shows. */
export interface CollectionsView {
  /** Null for all types that people named. */
  type: string | null;
  search: string;
}

export function decodeCollectionsView(query: string): CollectionsView {
  const params = new URLSearchParams(query);
  return { type: params.get('type'), search: params.get('q') ?? '' };
}

export const encodeCollectionsView = (view: CollectionsView, previous = ''): string =>
  writeQuery({ type: view.type, q: view.search || null }, previous);

/** How many versions and runs a lineage has. */
export function countsText(nodes: readonly { kind: 'artifact' | 'run' }[]): string {
  const runs = nodes.filter(({ kind }) => kind === 'run').length;
  const versions = nodes.length - runs;
  return `${versions} ${versions === 1 ? 'version' : 'versions'}, ${runs} ${runs === 1 ? 'run' : 'runs'}`;
}
