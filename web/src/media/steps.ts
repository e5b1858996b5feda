/** Which step is shown of a series that has something at some steps only. */
import { lowerBound } from '../data/panelData';

/** All steps of some ascending lists, ascending, each once. */
export function unionOf(lists: readonly (readonly number[])[]): readonly number[] {
  if (lists.length === 1) return lists[0] as readonly number[];
  return [...new Set(lists.flat())].sort((a, b) => a - b);
}

/** The place of the last step that is not beyond `step`; -1 when all are. */
export function placeOf(steps: readonly number[], step: number): number {
  const place = lowerBound(steps, step);
  return steps[place] === step ? place : place - 1;
}

export interface ShownStep {
  step: number;
  place: number;
  /** Where what is shown lies, seen from what was asked for. */
  side: 'here' | 'prev' | 'next';
}

/** What is shown at a step: that one, else the last before it, else the first. Null asks for the last. */
export function shownAt(steps: readonly number[], asked: number | null): ShownStep | null {
  if (steps.length === 0) return null;
  const place = asked === null ? steps.length - 1 : placeOf(steps, asked);
  const step = steps[Math.max(0, place)] as number;
  const side = asked === null || step === asked ? 'here' : place < 0 ? 'next' : 'prev';
  return { step, place: Math.max(0, place), side };
}

/** What to say when not all is of the step that was asked for; null when it is. */
export function missText(noun: string, asked: number | null, shown: readonly ShownStep[]): string | null {
  const others = shown.filter(({ side }) => side !== 'here');
  const [first] = others;
  if (asked === null || !first) return null;
  const number = (step: number) => step.toLocaleString('en-US');
  const steps = [...new Set(others.map(({ step, side }) => `${number(step)} (${side})`))];
  const which = steps.length > 2 ? `${steps[0]} and others` : steps.join(' and ');
  return `no ${noun} at ${number(asked)}${others.length < shown.length ? ' of some' : ''}, showing ${which}`;
}

/** The step `by` places on, among those that there are; null when there is none. */
export function movedStep(steps: readonly number[], asked: number | null, by: number): number | null {
  const at = shownAt(steps, asked);
  if (!at) return null;
  // From between two steps, forward is the next one and back the one that is shown.
  const from =
    at.side === 'next' ? at.place - (by > 0 ? 1 : 0) : at.place + (at.side === 'prev' && by < 0 ? 1 : 0);
  return steps[Math.min(steps.length - 1, Math.max(0, from + by))] as number;
}
