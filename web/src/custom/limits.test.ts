import { parse, View, type Spec } from 'vega';
import { expect, test } from 'vitest';
import { boundVega, countOf, firstMaker, TooManyError } from './limits';

boundVega();

async function refused(spec: Spec): Promise<string | null> {
  const view = new View(parse(spec), { renderer: 'none' });
  let found: string | null = null;
  const { logger } = view as unknown as { logger: (logger?: unknown) => object };
  const hear = (...parts: unknown[]) => {
    for (const part of parts)
      if (part instanceof TooManyError) found ??= part.message;
      else throw part;
  };
  logger.call(view, { ...logger.call(view), error: hear });
  await view.runAsync();
  view.finalize();
  return found;
}
const signal = (update: string): Spec => ({ signals: [{ name: 's', update }] });

test.each([
  [signal('sequence(100000000)'), 'sequence makes 100,000,000 values: at most 100,000 are made'],
  [signal('sequence(1e4 * 1e4)'), 'sequence makes 100,000,000'],
  [signal('sequence(0, 1, 1e-9)'), 'sequence makes 1,000,000,000'],
  [signal("pad('x', 1e9)"), 'pad makes 1,000,000,000'],
  [{ data: [{ name: 'd', transform: [{ type: 'sequence', start: 0, stop: 1e9 }] }] }, 'sequence makes'],
  [
    { data: [{ name: 'd', transform: [{ type: 'sequence', start: 0, stop: { signal: '1e9' } }] }] },
    'sequence makes',
  ],
  [{ data: [{ name: 'd', transform: [{ type: 'graticule', step: [1e-6, 1e-6] }] }] }, 'graticule makes'],
  [
    { data: [{ name: 'd', values: [{ x: 1 }], transform: [{ type: 'quantile', field: 'x', step: 1e-9 }] }] },
    'quantile',
  ],
  [
    {
      data: [
        { name: 'd', values: [{ x: 1 }, { x: 2 }], transform: [{ type: 'kde', field: 'x', steps: 1e9 }] },
      ],
    },
    'kde',
  ],
  [
    {
      scales: [{ name: 's', domain: [0, 1], range: 'width' }],
      axes: [{ scale: 's', orient: 'bottom', tickCount: 1e9 }],
    },
    'axisticks makes',
  ],
  ...[{ step: 1e-9 }, { maxbins: 1e9 }, { steps: [1e-9], maxbins: 1e9 }].map((how): [Spec, string] => [
    {
      data: [
        { name: 'd', values: [{ x: 1 }], transform: [{ type: 'bin', field: 'x', extent: [0, 1], ...how }] },
      ],
    },
    'bin makes 1,000,000,000 values: at most 100,000 are made',
  ]),
  [
    {
      data: [
        {
          name: 'd',
          transform: [
            { type: 'sequence', start: 0, stop: 1000 },
            { type: 'formula', expr: 'sequence(9e4)', as: 'n' },
          ],
        },
      ],
    },
    'at most 1,000,000',
  ],
] as [Spec, string][])('refuses %j', async (spec, message) => {
  expect(await refused(spec)).toContain(message);
});

test('makes what is not too much', async () => {
  expect(await refused(signal('sequence(100000)'))).toBeNull();
  expect(
    await refused({
      data: [
        { name: 'd', transform: [{ type: 'graticule' }, { type: 'formula', expr: 'sequence(3)', as: 'n' }] },
      ],
    }),
  ).toBeNull();
});

test('counts as many as are made', () => {
  expect([
    countOf(0, 10, 3),
    countOf(0, 10, -1),
    countOf(10, 0, -1),
    countOf(0, 1, 0),
    countOf(0, NaN, 1),
  ]).toEqual([4, 0, 10, Infinity, 0]);
});

test('finds where it is said', () => {
  expect(firstMaker({ data: { sequence: { start: 0, stop: 1e9 } } }, 'sequence')).toBe('/data/sequence');
  expect(firstMaker({ transform: [{}, { calculate: 'length(sequence (5))', as: 'x' }] }, 'sequence')).toBe(
    '/transform/1/calculate',
  );
  expect(firstMaker({ encoding: { x: { axis: { tickCount: 5 } } } }, 'axisticks')).toBe(
    '/encoding/x/axis/tickCount',
  );
  expect(firstMaker({ data: [{ transform: [{ type: 'graticule' }] }] }, 'graticule')).toBe(
    '/data/0/transform/0/type',
  );
  expect(firstMaker({ mark: 'bar' }, 'sequence')).toBeNull();
});
