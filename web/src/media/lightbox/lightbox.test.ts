import { expect, test } from 'vitest';
import { parseBoxes, scoresOf, shownBoxes } from './boxes';
import { classAt, maskOf, maskPixels } from './masks';
import { byItem, byRun, byStep, countAt, othersOf } from './navigation';
import { fitted, pixelAt, sizesText, spanOf, zoomed } from './viewport';

const FILE = JSON.stringify({
  box_data: [
    { position: { minX: 0.1, maxX: 0.3, minY: 0.5, maxY: 1 }, class_id: 1, scores: { acc: 0.9, odd: 'x' } },
    {
      position: { middle: [50, 20], width: 10, height: 4 },
      domain: 'pixel',
      class_id: 2,
      box_caption: 'c',
      scores: { acc: 0.2 },
    },
    { position: { minX: 0 }, class_id: 1 },
    { position: { middle: [5, 5], width: 2, height: 2 }, class_id: 1 },
    'no box',
  ],
  class_labels: { 1: 'car' },
});

test('boxes of both forms are read, and what has no place is left out', () => {
  const { boxes, classes, left } = parseBoxes('s', FILE);
  expect(left).toBe(2);
  expect(
    boxes.map(({ x, y, width, height }) => [x, y, width, height].map((n) => Math.round(n * 100) / 100)),
  ).toEqual([
    [0.1, 0.5, 0.2, 0.5],
    [45, 18, 10, 4],
    [4, 4, 2, 2],
  ]);
  expect(boxes.map(({ text, isPixels }) => [text, isPixels])).toEqual([
    ['car', false],
    ['c', true],
    ['car', false],
  ]);
  expect(classes).toEqual([
    { set: 's', id: 1, name: 'car', count: 2 },
    { set: 's', id: 2, name: 'class 2', count: 1 },
  ]);
  expect(scoresOf(boxes)).toEqual([{ name: 'acc', low: 0, high: 1 }]);
});

test('boxes are filtered by class and score; one without the score stays', () => {
  const { boxes } = parseBoxes('s', FILE);
  const texts = (hidden: string[], least: [string, number][]) =>
    shownBoxes(boxes, new Set(hidden), new Map(least)).map(({ x }) => Math.round(x * 10));
  expect(texts([], [])).toEqual([1, 450, 40]);
  expect(texts([], [['acc', 0.5]])).toEqual([1, 40]);
  expect(texts(['s\n1'], [])).toEqual([450]);
  expect(texts(['other\n1'], [])).toEqual([1, 450, 40]);
});

test('a score that is no number is missing, a place that is none leaves its box out, and the rest is read', () => {
  const file = `{"box_data": [
    {"position": {"middle": [5, 5], "width": 2, "height": 2}, "scores": {"a": NaN, "b": 0.5}, "class_id": 1},
    {"position": {"middle": [5, -Infinity], "width": 2, "height": 2}, "class_id": 1},
    {"position": {"minX": 0, "maxX": NaN, "minY": 0, "maxY": 1}, "class_id": 1},
    {"position": {"minX": 0, "maxX": 1, "minY": 0, "maxY": 1}, "box_caption": "\\"NaN\\", Infinity"}
  ], "class_labels": {"1": "NaN"}}`;
  const { boxes, left } = parseBoxes('s', file);
  expect(boxes.map(({ text, scores }) => [text, scores])).toEqual([
    ['NaN', { b: 0.5 }],
    ['"NaN", Infinity', {}],
  ]);
  expect(left).toBe(2);
  expect(() => parseBoxes('s', '{"box_data": [')).toThrow(SyntaxError);
});

test('a mask has its classes, and hidden ones are not painted', () => {
  const data = new Uint8ClampedArray([0, 1, 2, 1].flatMap((id) => [id, id, id, 255]));
  const mask = maskOf('s', { 1: 'road' }, { width: 2, height: 2, data });
  expect(mask.classes.map(({ id, name, count }) => [id, name, count])).toEqual([
    [1, 'road', 2],
    [2, 'class 2', 1],
  ]);
  const alphas = (hidden: string[]) => [3, 7, 11, 15].map((i) => maskPixels(mask, new Set(hidden))[i]);
  expect(alphas([])).toEqual([0, 255, 255, 255]);
  expect(alphas(['s\n1'])).toEqual([0, 0, 255, 0]);
  expect([classAt(mask, 0.9, 0.1), classAt(mask, 0.1, 0.1)]).toEqual(['road', null]);
  expect(maskOf('s', { 0: 'sky' }, { width: 2, height: 2, data }).classes.length).toBe(3);
});

const series = [
  { run: 'a', label: '', key: 'k', kind: 'image-file', steps: [0, 10, 20], counts: [1, 3, 2] },
  { run: 'b', label: '', key: 'k', kind: 'image-file', steps: [5], counts: [2] },
];
const open = { key: 'k', run: 'a', label: '', step: 10, index: 2 };

test('the keys lead to other items, steps and runs that there are', () => {
  expect(countAt(series, open)).toBe(3);
  expect(byItem(series, open, 1)).toEqual(open);
  expect(byItem(series, open, -1).index).toBe(1);
  expect(byStep(series, open, 1)).toEqual({ ...open, step: 20, index: 1 });
  expect(byStep(series, open, -1)).toEqual({ ...open, step: 0, index: 0 });
  expect(byRun(series, open, 1)).toEqual({ ...open, run: 'b', step: 5, index: 1 });
  expect(byRun(series, byRun(series, open, 1), 1).run).toBe('a');
  expect(byRun([], open, 1)).toEqual(open);
});

test('an item is compared with other runs and with earlier steps', () => {
  expect(othersOf(series, open).map(({ run, step }) => [run, step])).toEqual([
    ['b', 5],
    ['a', 0],
  ]);
  expect(othersOf(series, { ...open, step: 20 }).map(({ run, step }) => [run, step])).toEqual([
    ['b', 5],
    ['a', 10],
    ['a', 0],
  ]);
});

test('a small picture is enlarged by a whole factor, and zooming keeps the pixel under the pointer', () => {
  const size = { width: 10, height: 10 };
  const view = fitted(size, { width: 105, height: 200 });
  expect(view).toEqual({ scale: 10, x: 2.5, y: 50 });
  expect(fitted({ width: 400, height: 10 }, { width: 100, height: 100 }).scale).toBe(0.25);
  const at = [33, 77] as const;
  expect(pixelAt(view, size, at)).toEqual([3, 2]);
  expect(pixelAt(zoomed(view, 3, at, 0.5), size, at)).toEqual([3, 2]);
  expect(pixelAt(view, size, [0, 0])).toBeNull();
});

test('two pictures lie on one another from the top left, and both sizes are said where they differ', () => {
  const [own, other] = [
    { width: 16, height: 16 },
    { width: 32, height: 8 },
  ];
  expect(spanOf(own, other)).toEqual({ width: 32, height: 16 });
  expect(sizesText(own, other)).toMatch(/^This image is 16 × 16, the other 32 × 8:/);
  expect(sizesText(own, { ...own })).toBeNull();
});
