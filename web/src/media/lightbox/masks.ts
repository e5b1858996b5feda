/** Masks over an image: a class for each pixel, drawn in the class's colour. */
import { classColor, classKey, type ClassOf } from './boxes';

export interface Mask {
  set: string;
  width: number;
  height: number;
  /** Row by row. */
  ids: Uint8Array;
  classes: ClassOf[];
}

/** The class of each pixel: what a grey picture holds. */
export function maskOf(
  set: string,
  labels: Readonly<Record<string, string>> | null,
  { width, height, data }: { width: number; height: number; data: Uint8ClampedArray },
): Mask {
  const ids = new Uint8Array(width * height);
  const counts = new Uint32Array(256);
  for (let i = 0; i < ids.length; i++) {
    const id = data[i * 4] as number;
    ids[i] = id;
    counts[id] = (counts[id] as number) + 1;
  }
  const classes = [...counts].flatMap((count, id) =>
    // What nobody named is the background.
    count > 0 && (id > 0 || labels?.['0'] !== undefined)
      ? [{ set, id, name: labels?.[String(id)] ?? `class ${id}`, count }]
      : [],
  );
  return { set, width, height, ids, classes };
}

/** Red, green, blue and alpha of each pixel: of classes that are hidden, or not there, alpha is 0. */
export function maskPixels(mask: Mask, hidden: ReadonlySet<string>): Uint8ClampedArray<ArrayBuffer> {
  const shown = new Uint32Array(256);
  const parts = new Uint8ClampedArray(shown.buffer);
  for (const one of mask.classes) {
    if (hidden.has(classKey(one))) continue;
    const color = Number.parseInt(classColor(one.id).slice(1), 16);
    parts.set([color >> 16, (color >> 8) & 255, color & 255, 255], one.id * 4);
  }
  const pixels = new Uint32Array(mask.ids.length);
  for (let i = 0; i < pixels.length; i++) pixels[i] = shown[mask.ids[i] as number] as number;
  return new Uint8ClampedArray(pixels.buffer);
}

/** A mask as a picture, without the classes that are hidden. */
export function maskCanvas(mask: Mask, hidden: ReadonlySet<string> = new Set()): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [mask.width, mask.height];
  canvas
    .getContext('2d')
    ?.putImageData(new ImageData(maskPixels(mask, hidden), mask.width, mask.height), 0, 0);
  return canvas;
}

/** The name of the class at a place in parts of the image; null for none. */
export function classAt(mask: Mask, x: number, y: number): string | null {
  const column = Math.min(mask.width - 1, Math.floor(x * mask.width));
  const row = Math.min(mask.height - 1, Math.floor(y * mask.height));
  const id = mask.ids[row * mask.width + column];
  return mask.classes.find((one) => one.id === id)?.name ?? null;
}
