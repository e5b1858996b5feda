import { expect, test } from 'vitest';
import { artifactPath, artifactsPath, routeOf, runPagePath, tablesPath, workspacePath } from './routes';

test('each page has its address', () => {
  expect(routeOf('/')).toEqual({ page: 'projects' });
  expect(routeOf('/p/demo')).toEqual({ page: 'workspace', entity: 'local', project: 'demo' });
  expect(routeOf('/p/me/demo/workspace')).toEqual({ page: 'workspace', entity: 'me', project: 'demo' });
  expect(routeOf('/p/me/demo/r/a1')).toEqual({ page: 'run', entity: 'me', project: 'demo', id: 'a1' });
  const demo = { entity: 'me', project: 'demo' };
  expect(routeOf('/p/me/demo/artifacts')).toEqual({ page: 'artifacts', ...demo });
  const model = { page: 'artifact', ...demo, name: 'model' };
  expect(routeOf('/p/me/demo/artifacts/model')).toEqual({ ...model, ref: null });
  expect(routeOf('/p/me/demo/artifacts/model/v3')).toEqual({ ...model, ref: 'v3' });
  expect(routeOf('/nowhere')).toEqual({ page: 'missing' });
  expect(routeOf('/p/%')).toEqual({ page: 'missing' });
});

test('names with odd characters come back', () => {
  const ref = { entity: 'a team', project: 'ünï&co' };
  expect(routeOf(workspacePath(ref))).toEqual({ page: 'workspace', ...ref });
  expect(routeOf(runPagePath(ref, 'x y=1'))).toEqual({ page: 'run', ...ref, id: 'x y=1' });
  expect(routeOf(artifactsPath(ref))).toEqual({ page: 'artifacts', ...ref });
  for (const key of ['eval/preds', null])
    expect(routeOf(tablesPath(ref, key))).toEqual({ page: 'tables', ...ref, key });
  const of = { ...ref, name: 'run-1-tables/a b' };
  for (const version of ['best?', null])
    expect(routeOf(artifactPath(of, version))).toEqual({ page: 'artifact', ...of, ref: version });
});
