import { expect, test } from 'vitest';
import { peaksOf, spectraOf, transform } from './audio/waveform';
import { nodesOf } from './graph/nodes';
import { binAt, columnAt, mostDense, runsOf, valueRange } from './histogram/columns';
import { formatOf } from './molecule/looks';
import { figureHeight, pageOf } from './page/page';
import { cloudOf } from './object3d/points';
import { figureOf } from './plotly/figure';

test('a point cloud of each form is read', () => {
  const plain = cloudOf('[[0,0,0],[1,2,3],["x",0,0],[1,2]]');
  expect([...plain.places]).toEqual([0, 0, 0, 1, 2, 3]);
  expect(plain.colors[3]).toBeGreaterThan(plain.colors[0] as number);
  expect([...cloudOf('[[0,0,0,1,2,3]]').colors]).toEqual([1, 2, 3]);
  expect(cloudOf('[[0,0,0,1],[0,0,0,2]]').colors.slice(0, 3)).not.toEqual(cloudOf('[[0,0,0,2]]').colors);
  expect(() => cloudOf('3')).toThrow(TypeError);
});

test('edges of a box are its edges, in whichever order its corners come', () => {
  const binary = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => [(i >> 2) & 1, (i >> 1) & 1, i & 1]);
  const round = [0, 1, 3, 2, 4, 5, 7, 6].map((i) => [(i >> 2) & 1, (i >> 1) & 1, i & 1]);
  for (const corners of [binary, round]) {
    const { boxes, labels } = cloudOf(
      JSON.stringify({ points: [], boxes: [{ corners, label: 'a', score: 0.5 }, {}] }),
    );
    expect(boxes.ends.length).toBe(12 * 6);
    for (let i = 0; i < boxes.ends.length; i += 6) {
      const [x, y, z, u, v, w] = boxes.ends.slice(i, i + 6) as unknown as number[];
      const apart =
        Math.abs(Number(x) - Number(u)) + Math.abs(Number(y) - Number(v)) + Math.abs(Number(z) - Number(w));
      expect(apart).toBe(1);
    }
    expect(labels.map(({ text }) => text)).toEqual(['a 0.50']);
  }
});

test('a figure is its data and layout, nothing else', () => {
  const figure = figureOf(
    JSON.stringify({ data: [1], layout: { title: 'x', plot_bgcolor: 'red' }, config: { evil: 1 } }),
    true,
  );
  expect(Object.keys(figure)).toEqual(['data', 'layout']);
  expect(figure.layout['plot_bgcolor']).toBe('red');
  expect(() => figureOf('{}', false)).toThrow(TypeError);
});

test('a histogram has the bin that a value is in', () => {
  const [run] = runsOf({
    x0: 0,
    dx: 1,
    nb: 2,
    series: [{ i: 0, run: 'r', label: '', skipped: 0 }],
    truncated: null,
    columns: {
      s: [0, 0],
      step: [3, 8],
      last: [3, 9],
      merged: [1, 2],
      edges: [
        [0, 1, 3],
        [1, 2],
      ],
      counts: [[1, 3], [5]],
      nan: [0, 1],
      inf: [0, 0],
      neg_inf: [0, 0],
      ...{ p01: [0, 'NaN'], p25: [1, 1], p50: [1, 1], p75: [1, 1], p99: [1, null] },
    },
  });
  if (!run) throw new Error('no run');
  expect(valueRange([run])).toEqual([0, 3]);
  expect(mostDense([run])).toBe(1);
  expect([2, 3, 7, 8, 99].map((step) => columnAt(run.columns, step)?.step)).toEqual([3, 3, 3, 8, 8]);
  const [column] = run.columns;
  if (!column) throw new Error('no column');
  expect([-1, 0, 0.5, 1, 3, 4].map((value) => binAt(column, value))).toEqual([-1, 0, 0, 1, 1, -1]);
  expect(run.columns[1]?.percentiles[0]).toBeNaN();
});

test('a sound has the range of its samples and the place of its tone', () => {
  expect([...peaksOf(new Float32Array([0, 1, -1, 0.5]), 2)]).toEqual([0, 1, -1, 0.5]);
  const tone = Float32Array.from({ length: 8192 }, (_, i) => Math.sin((2 * Math.PI * 64 * i) / 1024));
  const { rows, shares } = spectraOf(tone, 3);
  const middle = shares.slice(rows, 2 * rows);
  expect(middle.indexOf(Math.max(...middle))).toBe(64);
  const [real, imaginary] = [new Float64Array([1, 2, 3, 4]), new Float64Array(4)];
  transform(real, imaginary);
  expect([...real].map(Math.round)).toEqual([10, -2, -2, -2]);
  expect([...imaginary].map(Math.round)).toEqual([0, 2, 0, -2]);
});

test('layers of a graph are listed', () => {
  const [node] = nodesOf(
    '{"nodes":[{"name":"fc","class_name":"Linear","output_shape":[1,2],"num_parameters":6}]}',
  );
  expect(node).toEqual({ name: 'fc', kind: 'Linear', shape: '[1,2]', parameters: 6 });
  expect(() => nodesOf('[]')).toThrow(TypeError);
});

test('a molecule is told by the end of its name', () => {
  expect(formatOf('a/b.mcif')).toEqual({ format: 'cif', isBinary: false });
  expect(formatOf('x.MMTF').isBinary).toBe(true);
});

test('of a figure with a page that is shown, of a page the page itself', () => {
  const sha256 = 'ab'.repeat(32);
  expect(pageOf({ _type: 'bokeh-file', html: { _type: 'html-file', sha256 } })).toBe(sha256);
  expect(pageOf({ _type: 'html-file', sha256 })).toBeNull();
  for (const odd of [null, 'html', { html: null }, { html: { sha256: 7 } }, { html: { sha256: '../x' } }])
    expect(pageOf(odd)).toBeNull();
});

test('the frame of a figure of Bokeh is as high as that, up to what a panel gives', () => {
  const of = (attributes: unknown) => figureHeight({ roots: [{ attributes }] });
  expect([of({ height: 200 }), of({}), of({ height: 5000 }), of(null)]).toEqual([200, 600, 640, 600]);
  expect(figureHeight({ roots: [] })).toBe(600);
});
