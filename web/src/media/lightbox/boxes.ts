/** Boxes over an image, as their file has them, and which of them are shown. */
import { PALETTE } from '../../state/colors';

export interface Box {
  set: string;
  classId: number;
  text: string;
  /** In parts of the image; for pixels it has to be divided by its size. */
  x: number;
  y: number;
  width: number;
  height: number;
  isPixels: boolean;
  scores: Readonly<Record<string, number>>;
}

/** One class of a set of boxes or of a mask. */
export interface ClassOf {
  set: string;
  id: number;
  name: string;
  count: number;
}

export interface BoxSet {
  boxes: Box[];
  classes: ClassOf[];
  /** How many are not there: they have no place. */
  left: number;
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const recordOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

function cornersOf(position: Record<string, unknown>): [number, number, number, number] | null {
  const { minX, maxX, minY, maxY, middle, width, height } = position;
  if (isNumber(minX) && isNumber(maxX) && isNumber(minY) && isNumber(maxY))
    return [minX, minY, maxX - minX, maxY - minY];
  if (!Array.isArray(middle) || !isNumber(width) || !isNumber(height)) return null;
  const [x, y] = middle as unknown[];
  return isNumber(x) && isNumber(y) ? [x - width / 2, y - height / 2, width, height] : null;
}

/** A text in quotes, or a number that JSON does not have and Python writes. */
const ODD_NUMBER = /"(?:[^"\\]|\\[^])*"|-?\b(?:NaN|Infinity)\b/g;

/** As `JSON.parse`, but NaN and the infinities are null. */
const parseLenient = (text: string): unknown =>
  JSON.parse(text.replace(ODD_NUMBER, (found) => (found.startsWith('"') ? found : 'null')));

/**
 * Reads the file of a set of boxes; one without a place is left out, a score that is no finite number as well.
 *
 * @throws SyntaxError when the text is no JSON.
 */
export function parseBoxes(set: string, text: string): BoxSet {
  const file = recordOf(parseLenient(text));
  const labels = recordOf(file['class_labels']);
  const nameOf = (id: number): string => String(labels[String(id)] ?? `class ${id}`);
  const all: unknown[] = Array.isArray(file['box_data']) ? file['box_data'] : [];
  const boxes = all.flatMap((one): Box[] => {
    const box = recordOf(one);
    const corners = cornersOf(recordOf(box['position']));
    if (!corners) return [];
    const [x, y, width, height] = corners;
    const classId = isNumber(box['class_id']) ? box['class_id'] : 0;
    const caption = box['box_caption'];
    const scores = Object.entries(recordOf(box['scores'])).filter((entry): entry is [string, number] =>
      isNumber(entry[1]),
    );
    return [
      {
        set,
        classId,
        text: typeof caption === 'string' && caption ? caption : nameOf(classId),
        ...{ x, y, width, height },
        isPixels: box['domain'] === 'pixel',
        scores: Object.fromEntries(scores),
      },
    ];
  });
  const counts = new Map<number, number>();
  for (const { classId } of boxes) counts.set(classId, (counts.get(classId) ?? 0) + 1);
  const classes = [...counts]
    .sort(([a], [b]) => a - b)
    .map(([id, count]) => ({ set, id, name: nameOf(id), count }));
  return { boxes, classes, left: all.length - boxes.length };
}

export interface ScoreRange {
  name: string;
  low: number;
  high: number;
}

/** The scores that boxes have, each with the scale of its slider: 0 to 1 where that holds all. */
export function scoresOf(boxes: readonly Box[]): ScoreRange[] {
  const ranges = new Map<string, [number, number]>();
  for (const { scores } of boxes)
    for (const [name, value] of Object.entries(scores)) {
      const [low, high] = ranges.get(name) ?? [0, 1];
      ranges.set(name, [Math.min(low, value), Math.max(high, value)]);
    }
  return [...ranges].sort().map(([name, [low, high]]) => ({ name, low, high }));
}

export const classKey = ({ set, id }: { set: string; id: number }): string => `${set}\n${id}`;

/** The boxes of classes that are not hidden, whose scores reach what is asked; one without a score has no less. */
export function shownBoxes(
  boxes: readonly Box[],
  hidden: ReadonlySet<string>,
  least: ReadonlyMap<string, number>,
): Box[] {
  return boxes.filter(
    ({ set, classId, scores }) =>
      !hidden.has(classKey({ set, id: classId })) &&
      [...least].every(([name, value]) => (scores[name] ?? Infinity) >= value),
  );
}

/** Colours that are seen on any picture, and the same for a class in all sets. */
export function classColor(id: number): string {
  const { dark } = PALETTE;
  return dark[((id % dark.length) + dark.length) % dark.length] as string;
}
