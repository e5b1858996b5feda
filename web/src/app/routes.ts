/** Which page a path names, and the paths of pages. Paths here are below the prefix of the server. */
import { parse } from 'regexparam';
import type { ProjectRef } from '../data/api';

export type Route =
  | { page: 'projects' }
  | ({ page: 'workspace' } & ProjectRef)
  | ({ page: 'run'; id: string } & ProjectRef)
  /** Of all runs; null for the first key. */
  | ({ page: 'tables'; key: string | null } & ProjectRef)
  | ({ page: 'artifacts' } & ProjectRef)
  /** `ref` is a version or an alias; null for the latest. */
  | ({ page: 'artifact'; name: string; ref: string | null } & ProjectRef)
  | { page: 'missing' };

type Params = Record<string, string>;
const refOf = (params: Params): ProjectRef => ({
  entity: params['entity'] ?? 'local',
  project: params['project'] as string,
});

const ROUTES: [string, (params: Params) => Route][] = [
  ['/', () => ({ page: 'projects' })],
  ['/p/:entity/:project/workspace', (params) => ({ page: 'workspace', ...refOf(params) })],
  ['/p/:entity/:project/r/:id', (params) => ({ page: 'run', ...refOf(params), id: params['id'] as string })],
  [
    '/p/:entity/:project/tables/:key?',
    (params) => ({ page: 'tables', ...refOf(params), key: params['key'] || null }),
  ],
  ['/p/:entity/:project/artifacts', (params) => ({ page: 'artifacts', ...refOf(params) })],
  [
    '/p/:entity/:project/artifacts/:name/:ref?',
    (params) => ({
      page: 'artifact',
      ...refOf(params),
      name: params['name'] as string,
      ref: params['ref'] || null,
    }),
  ],
  ['/p/:entity/:project', (params) => ({ page: 'workspace', ...refOf(params) })],
  ['/p/:project', (params) => ({ page: 'workspace', ...refOf(params) })],
];
const PATTERNS = ROUTES.map(([path, make]) => ({ ...parse(path), make }));

/** The route of a path below the prefix. Segments are percent-decoded; broken ones name no page. */
export function routeOf(path: string): Route {
  for (const { pattern, keys, make } of PATTERNS) {
    const match = pattern.exec(path);
    if (!match) continue;
    try {
      return make(Object.fromEntries(keys.map((key, i) => [key, decodeURIComponent(match[i + 1] ?? '')])));
    } catch {
      return { page: 'missing' }; // not percent-encoded text: no page has this name
    }
  }
  return { page: 'missing' };
}

/** Below the prefix, as all paths here. */
const pathOf = ({ entity, project }: ProjectRef, ...more: string[]): string =>
  ['', 'p', ...[entity, project, ...more].map(encodeURIComponent)].join('/');

/** Path of a project's workspace. */
export const workspacePath = (ref: ProjectRef): string => pathOf(ref, 'workspace');

/** Path of a run's page. */
export const runPagePath = (ref: ProjectRef, id: string): string => pathOf(ref, 'r', id);

/** Path of the tables that runs of a project logged under a key; null for the first one. */
export const tablesPath = (ref: ProjectRef, key: string | null): string =>
  pathOf(ref, 'tables', ...(key === null ? [] : [key]));

/** Path of a project's artifacts. */
export const artifactsPath = (ref: ProjectRef): string => pathOf(ref, 'artifacts');

/** Path of an artifact's version: `v3`, an alias or an id; null for the latest. */
export const artifactPath = (of: ProjectRef & { name: string }, ref: string | null): string =>
  pathOf(of, 'artifacts', of.name, ...(ref === null ? [] : [ref]));
