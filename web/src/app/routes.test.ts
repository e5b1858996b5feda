import { expect, test } from 'vitest';
import { routeOf, runPagePath, workspacePath } from './routes';

test('each page has its address', () => {
  expect(routeOf('/')).toEqual({ page: 'projects' });
  expect(routeOf('/p/demo')).toEqual({ page: 'workspace', entity: 'local', project: 'demo' });
  expect(routeOf('/p/me/demo/workspace')).toEqual({ page: 'workspace', entity: 'me', project: 'demo' });
  expect(routeOf('/p/me/demo/r/a1')).toEqual({ page: 'run', entity: 'me', project: 'demo', id: 'a1' });
  expect(routeOf('/nowhere')).toEqual({ page: 'missing' });
  expect(routeOf('/p/%')).toEqual({ page: 'missing' });
});

test('names with odd characters come back', () => {
  const ref = { entity: 'a team', project: 'ünï&co' };
  expect(routeOf(workspacePath(ref))).toEqual({ page: 'workspace', ...ref });
  expect(routeOf(runPagePath(ref, 'x y=1'))).toEqual({ page: 'run', ...ref, id: 'x y=1' });
});
