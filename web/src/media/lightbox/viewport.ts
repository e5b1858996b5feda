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
  const isIn = column >= 0 && row >= 0 && column < picture.width && row < picture.height;
  return isIn ? [column, row] : null;
}
