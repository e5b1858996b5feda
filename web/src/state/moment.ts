/** A moment of a run that charts and output mark alike: a step, the time when it was logged, or either. */
import type { XAxis } from '../data/types';

export interface Moment {
  /** Null for the last one that was logged at that time or before. */
  step: number | null;
  /** Epoch milliseconds; null for when that step was logged. */
  wall: number | null;
}

/** Steps and times as they are written: exactly, without an exponent. */
const FORM = /^(\d{1,19})?:(\d{1,13}(?:\.\d{1,6})?)?$/;

/** Reads `48:1764286612123.5`, of which either side may be missing; null for anything else. */
export function readMoment(text: string | null): Moment | null {
  const match = FORM.exec(text ?? '');
  if (!match || (match[1] === undefined && match[2] === undefined)) return null;
  const number = (part: string | undefined) => (part === undefined ? null : Number(part));
  return { step: number(match[1]), wall: number(match[2]) };
}

export const writeMoment = ({ step, wall }: Moment): string => `${step ?? ''}:${wall ?? ''}`;

/**
 * Where a moment lies on an axis, whose `zero` is in epoch milliseconds; null while it is not known.
 */
export function momentX({ step, wall }: Moment, axis: XAxis, zero: number | null): number | null {
  if (axis === 'step') return step;
  if (axis === 'wall' || wall === null) return wall;
  return zero === null ? null : wall - zero;
}

/**
 * The moment of a place on an axis. A time is a microsecond later than it says, which floats of
 * milliseconds are not exact to: what was logged at it was logged before.
 */
export function momentOf(x: number, axis: XAxis, zero: number): Moment {
  if (axis === 'step') return { step: x, wall: null };
  const wall = axis === 'wall' ? x : zero + x;
  return { step: null, wall: (Math.floor(wall * 1000) + 1) / 1000 };
}
