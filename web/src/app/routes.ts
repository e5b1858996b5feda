/** Which page a path names, and the paths of pages. Paths here are below the prefix of the server. */
import { parse } from 'regexparam';
import type { ProjectRef } from '../data/api';

export type Route =
  | { page: 'projects' }
  | ({ page: 'workspace' } & ProjectRef)
  | ({ page: 'run'; id: string } & ProjectRef)
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

/** Path of a project's workspace, below the prefix. */
export const workspacePath = ({ entity, project }: ProjectRef): string =>
  `/p/${encodeURIComponent(entity)}/${encodeURIComponent(project)}/workspace`;

/** Path of a run's page, below the prefix. */
export const runPagePath = ({ entity, project }: ProjectRef, id: string): string =>
  `/p/${encodeURIComponent(entity)}/${encodeURIComponent(project)}/r/${encodeURIComponent(id)}`;
