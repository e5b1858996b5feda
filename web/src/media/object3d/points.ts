/** Point clouds, as their file has them. */
import { shareColor } from '../../state/colors';

export interface Segments {
  /** Of each two ends: three numbers each. */
  ends: Float32Array;
  /** Red, green and blue from 0 to 255 for each end. */
  colors: Uint8Array;
}
export interface Label {
  text: string;
  at: [number, number, number];
}

export interface Cloud {
  /** Three numbers a point. */
  places: Float32Array;
  /** Red, green and blue from 0 to 255. */
  colors: Uint8Array;
  boxes: Segments;
  vectors: Segments;
  labels: Label[];
}

/** Of the categories 1 to 14. */
const CATEGORIES =
  '#2d66f3 #f0265b #5d9669 #ec9421 #7a49f1 #88e8fe #e3d99f #a56033 #865d8f #aeb1b6 #e70775 #155f58 #9a9725 #b35713'
    .split(' ')
    .map((text) => Number.parseInt(text.slice(1), 16));
const BOX_COLOR: Triple = [255, 196, 0];
const VECTOR_COLOR: Triple = [0, 200, 255];

type Triple = [number, number, number];
const isTriple = (value: unknown): value is Triple =>
  Array.isArray(value) && value.length === 3 && value.every((one) => Number.isFinite(one));
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

/** Pairs of the eight corners that are joined: numbered in binary as x, y, z, or round the bottom and the top. */
const BINARY = '01 23 45 67 02 13 46 57 04 15 26 37'.split(' ');
const ROUND = '01 12 23 30 45 56 67 74 04 15 26 37'.split(' ');

function edgesOf(corners: readonly Triple[]): string[] {
  const [a, b, c, d] = corners as [Triple, Triple, Triple, Triple];
  // The sum of opposite corners of a parallelogram is the same.
  const fault = (p: Triple, q: Triple, r: Triple, s: Triple) =>
    [0, 1, 2].reduce((sum, i) => {
      const [w, x, y, z] = [p[i], q[i], r[i], s[i]] as [number, number, number, number];
      return sum + Math.abs(w + x - y - z);
    }, 0);
  return fault(a, c, b, d) < fault(a, d, b, c) ? ROUND : BINARY;
}

function segments(lines: readonly (readonly [Triple, Triple, Triple])[]): Segments {
  const ends = new Float32Array(lines.length * 6);
  const colors = new Uint8Array(lines.length * 6);
  lines.forEach(([from, to, color], i) => {
    ends.set([...from, ...to], i * 6);
    colors.set([...color, ...color], i * 6);
  });
  return { ends, colors };
}

/** Colours by height, from dark to bright, where nothing else is said. */
function byHeight(places: Float32Array, colors: Uint8Array): void {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 2; i < places.length; i += 3) {
    low = Math.min(low, places[i] as number);
    high = Math.max(high, places[i] as number);
  }
  const shades = Array.from({ length: 256 }, (_, i) => shareColor(0.25 + (0.75 * i) / 255));
  const scale = high > low ? 255 / (high - low) : 0;
  for (let i = 0; i < places.length; i += 3)
    colors.set(shades[Math.round(((places[i + 2] as number) - low) * scale)] as Triple, i);
}

/**
 * Reads a list of points (x, y, z; a category; red, green, blue), or an object of points, boxes and vectors. What has no
 * place is left out.
 *
 * @throws SyntaxError when the text is no JSON, TypeError when it is neither.
 */
export function cloudOf(text: string): Cloud {
  const file: unknown = JSON.parse(text);
  const scene = (Array.isArray(file) ? { points: file } : file) as Record<string, unknown> | null;
  if (typeof scene !== 'object' || scene === null) throw new TypeError('The file is no point cloud.');
  const points = listOf(scene['points']).filter(
    (point): point is number[] => Array.isArray(point) && point.length >= 3 && point.every(Number.isFinite),
  );
  const places = new Float32Array(points.length * 3);
  const colors = new Uint8Array(points.length * 3);
  let hasColors = false;
  points.forEach((point, i) => {
    for (let axis = 0; axis < 3; axis++) places[i * 3 + axis] = point[axis] as number;
    if (point.length >= 6) colors.set(point.slice(3, 6), i * 3);
    else if (point.length >= 4) {
      const category = Math.max(0, Math.round(point[3] as number) - 1) % CATEGORIES.length;
      const color = CATEGORIES[category] as number;
      colors.set([color >> 16, (color >> 8) & 255, color & 255], i * 3);
    }
    hasColors ||= point.length >= 4;
  });
  if (!hasColors) byHeight(places, colors);
  const labels: Label[] = [];
  const boxes = listOf(scene['boxes']).flatMap((one) => {
    const box = (typeof one === 'object' && one !== null ? one : {}) as Record<string, unknown>;
    const corners = listOf(box['corners']).filter(isTriple);
    if (corners.length !== 8) return [];
    const color = isTriple(box['color']) ? box['color'] : BOX_COLOR;
    const score = typeof box['score'] === 'number' ? box['score'].toFixed(2) : '';
    const text = [typeof box['label'] === 'string' ? box['label'] : '', score].filter(Boolean).join(' ');
    const top = corners.reduce((a, b) => (b[2] > a[2] ? b : a));
    if (text) labels.push({ text, at: top });
    return edgesOf(corners).map((pair) => {
      const [from, to] = [corners[Number(pair[0])], corners[Number(pair[1])]] as [Triple, Triple];
      return [from, to, color] as const;
    });
  });
  const vectors = listOf(scene['vectors']).flatMap((one) => {
    const vector = (typeof one === 'object' && one !== null ? one : {}) as Record<string, unknown>;
    const { start, end } = vector;
    return isTriple(start) && isTriple(end) ? [[start, end, VECTOR_COLOR] as const] : [];
  });
  return { places, colors, boxes: segments(boxes), vectors: segments(vectors), labels };
}
