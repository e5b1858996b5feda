import { expect, test } from 'vitest';
import { missText, movedStep, placeOf, shownAt, unionOf } from './steps';

const STEPS = [0, 480, 960];

test('steps of several series are joined, each once', () => {
  expect(unionOf([[0, 10, 20], [5, 10], []])).toEqual([0, 5, 10, 20]);
  expect(unionOf([])).toEqual([]);
});

test('the place of a step is that of the last one that is not beyond it', () => {
  expect([-1, 0, 479, 480, 2000].map((step) => placeOf(STEPS, step))).toEqual([-1, 0, 0, 1, 2]);
});

test('a step that is not there shows the one before, and the first when there is none', () => {
  expect(shownAt(STEPS, 480)).toEqual({ step: 480, place: 1, side: 'here' });
  expect(shownAt(STEPS, 500)).toEqual({ step: 480, place: 1, side: 'prev' });
  expect(shownAt([7, 9], 3)).toEqual({ step: 7, place: 0, side: 'next' });
  expect(shownAt(STEPS, null)).toEqual({ step: 960, place: 2, side: 'here' });
  expect(shownAt([], 3)).toBeNull();
});

test('what is shown instead is said', () => {
  const shown = (...asked: number[]) =>
    asked.map((step) => shownAt(STEPS, step) as NonNullable<ReturnType<typeof shownAt>>);
  expect(missText('image', 500, shown(500))).toBe('no image at 500, showing 480 (prev)');
  expect(missText('image', 480, shown(480))).toBeNull();
  expect(missText('image', 500, [...shown(500), { step: 500, place: 0, side: 'here' }])).toBe(
    'no image at 500 of some, showing 480 (prev)',
  );
  expect(missText('image', null, shown(500))).toBeNull();
});

test('moving goes from one step that is there to the next, from between two of them too', () => {
  expect(movedStep(STEPS, 480, 1)).toBe(960);
  expect(movedStep(STEPS, 500, 1)).toBe(960);
  expect(movedStep(STEPS, 500, -1)).toBe(480);
  expect(movedStep(STEPS, null, 1)).toBe(960);
  expect(movedStep(STEPS, null, -1)).toBe(480);
  expect(movedStep([7, 9], 3, 1)).toBe(7);
  expect(movedStep([], 3, 1)).toBeNull();
});
