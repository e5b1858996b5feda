import { expect, test, vi } from 'vitest';
import { getRun } from './api';

test('a detail of the server is a sentence of its own', async () => {
  const problem = { title: 'Not found', detail: "there is no run 'r'", status: 404 };
  const headers = { 'Content-Type': 'application/problem+json' };
  vi.stubGlobal('document', { baseURI: 'http://localhost/' });
  vi.stubGlobal('fetch', () =>
    Promise.resolve(new Response(JSON.stringify(problem), { status: 404, headers })),
  );
  await expect(getRun({ entity: 'local', project: 'p' }, 'r')).rejects.toMatchObject({
    message: 'Not found',
    detail: "There is no run 'r'",
  });
  vi.unstubAllGlobals();
});
