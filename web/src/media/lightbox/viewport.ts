/** Where a picture lies in the element that shows it: `scale` CSS pixels for each of its own, from `x`, `y` on. */

export interface Viewport {
  scale: number;
  x: number;
  y: number;
}
export interface Size {
  width: number;
  height: number;
}

const MOST = 64;

export const sizeOf = ({ naturalWidth, naturalHeight }: HTMLImageElement): Size => ({
  width: naturalWidth,
  height: naturalHeight,
});

/** What two pictures take that lie on one another from the top left. */
export const spanOf = (a: Size, b: Size): Size => ({
  width: Math.max(a.width, b.width),
  height: Math.max(a.height, b.height),
});

const sizeText = ({ width, height }: Size): string => `${width} × ${height}`;

/** What is said of two pictures that are compared; null where they have one size. */
export function sizesText(own: Size, other: Size): string | null {
  if (own.width === other.width && own.height === other.height) return null;
  return `This image is ${sizeText(own)}, the other ${sizeText(other)}: both at one scale, from the top left.`;
}

/** The whole picture in the middle; a small one is enlarged by a whole factor. */
export function fitted(picture: Size, box: Size): Viewport {
  const room = Math.min(box.width / picture.width, box.height / picture.height);
  const scale = room > 1 ? Math.min(MOST, Math.max(1, Math.floor(room))) : room;
  return centred(picture, box, scale);
}

const centred = (picture: Size, box: Size, scale: number): Viewport => ({
  scale,
  x: (box.width - picture.width * scale) / 2,
  y: (box.height - picture.height * scale) / 2,
});

/** Larger or smaller by a factor, while the place (in CSS pixels) stays where it is. */
export function zoomed(
  view: Viewport,
  by: number,
  [x, y]: readonly [number, number],
  least: number,
): Viewport {
  const scale = Math.min(MOST, Math.max(least, view.scale * by));
  const factor = scale / view.scale;
  return { scale, x: x - (x - view.x) * factor, y: y - (y - view.y) * factor };
}

/** The pixel of the picture at a place; null beside it. */
export function pixelAt(
  view: Viewport,
  picture: Size,
  [x, y]: readonly [number, number],
): [number, number] | null {
  const [column, row] = [Math.floor((x - view.x) / view.scale), Math.floor((y - view.y) / view.scale)];
  return isIn(picture, [column, row]) ? [column, row] : null;
}

export const isIn = ({ width, height }: Size, [column, row]: readonly [number, number]): boolean =>
  column >= 0 && row >= 0 && column < width && row < height;
