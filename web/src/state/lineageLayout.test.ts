import { expect, test } from 'vitest';
import { layoutOf, NODE } from './lineageLayout';

const edges = (...pairs: string[]) =>
  pairs.map((pair) => ({ from: pair[0] as string, to: pair[1] as string }));
const columns = (layout: ReturnType<typeof layoutOf>) =>
  Object.fromEntries(layout.nodes.map(({ id, column }) => [id, column]));

test('each edge leads to the right, and what nothing leads to is beside what it leads to', () => {
  const layout = layoutOf(['a', 'b', 'c', 'd'], edges('ab', 'bc', 'dc'));
  expect(columns(layout)).toEqual({ a: 0, b: 1, d: 1, c: 2 });
  expect(layout.edges.map(({ from, to }) => from + to)).toEqual(['ab', 'bc', 'dc']);
  expect(layout.width).toBeGreaterThan(3 * NODE.width);
});

test('nodes of a column do not lie over each other, and all within the plane', () => {
  const ids = [...'abcdefgh'];
  const layout = layoutOf(ids, edges('ab', 'ac', 'ad', 'ae', 'bf', 'cf', 'dg', 'eh', 'ah'));
  for (const one of layout.nodes) {
    expect(one.y).toBeGreaterThanOrEqual(0);
    expect(one.y + NODE.height).toBeLessThanOrEqual(layout.height);
    expect(one.x + NODE.width).toBeLessThanOrEqual(layout.width);
    for (const other of layout.nodes)
      if (other.id !== one.id && other.column === one.column)
        expect(Math.abs(other.y - one.y)).toBeGreaterThanOrEqual(NODE.height);
  }
});

test('an edge over several columns passes beside the nodes between', () => {
  const layout = layoutOf(['a', 'b', 'c'], edges('ab', 'bc', 'ac'));
  const b = layout.nodes.find(({ id }) => id === 'b');
  // It runs straight through the column of b, above or below it.
  const [, height] = /,(-?[\d.]+) H/.exec(layout.edges[2]?.path ?? '') ?? [];
  expect(height).toBeDefined();
  const [y, top] = [Number(height), b?.y ?? NaN];
  expect(y < top || y > top + NODE.height).toBe(true);
});

test('a run that uses what it logged is a circle, and ends', () => {
  const layout = layoutOf(['a', 'r', 'b'], edges('ar', 'ra', 'rb', 'bb'));
  expect(columns(layout)).toEqual({ a: 0, r: 1, b: 2 });
  expect(layout.edges).toHaveLength(3);
  const [there, back] = layout.edges;
  // The one that closes the circle leads from right to left, and not over the other.
  const starts = [there, back].map((edge) =>
    /^M([\d.]+),([\d.]+)/
      .exec(edge?.path ?? '')
      ?.slice(1)
      .map(Number),
  );
  expect(starts[1]?.[0]).toBeGreaterThan(starts[0]?.[0] ?? NaN);
  expect(starts[1]?.[1]).not.toBe(starts[0]?.[1]);
});

test('edges that cross are laid so that they do not', () => {
  const layout = layoutOf(['a', 'b', 'c', 'd'], edges('ad', 'bc'));
  const y = Object.fromEntries(layout.nodes.map((node) => [node.id, node.y]));
  expect(Math.sign((y['a'] ?? 0) - (y['b'] ?? 0))).toBe(Math.sign((y['d'] ?? 0) - (y['c'] ?? 0)));
});

test('nothing, one node, unknown ends and a long chain are laid out', () => {
  expect(layoutOf([], [])).toMatchObject({ nodes: [], edges: [] });
  const one = layoutOf(['a'], edges('ax'));
  expect([one.nodes.length, one.edges.length]).toEqual([1, 0]);
  const ids = Array.from({ length: 500 }, (_, i) => `n${i}`);
  const chain = layoutOf(
    ids,
    ids.slice(1).map((to, i) => ({ from: `n${i}`, to })),
  );
  expect(chain.nodes.at(-1)).toMatchObject({ id: 'n499', column: 499 });
});
