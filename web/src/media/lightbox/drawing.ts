/** Draws a picture, another one over it, masks and boxes on a canvas. */
import type { Box } from './boxes';
import { classColor } from './boxes';
import { sizeOf, spanOf, type Size, type Viewport } from './viewport';

export type Compare = 'off' | 'wipe' | 'difference';

export interface Scene {
  picture: HTMLImageElement;
  /** What it is compared with. */
  other: HTMLImageElement | null;
  compare: Compare;
  /** Where the other one begins, in parts of the width of what is shown. */
  wipe: number;
  masks: readonly HTMLCanvasElement[];
  opacity: number;
  boxes: readonly Box[];
}

/** The size of what is shown: of two pictures what both take. */
export function shownSize({ picture, other, compare }: Scene): Size {
  const own = sizeOf(picture);
  return other && compare !== 'off' ? spanOf(own, sizeOf(other)) : own;
}

type Place = readonly [x: number, y: number, width: number, height: number];
const FONT = '500 11px "Inter Variable", system-ui, sans-serif';

export function drawScene(canvas: HTMLCanvasElement, scene: Scene, { scale, x, y }: Viewport): void {
  const ratio = devicePixelRatio;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const ctx = canvas.getContext('2d') as CanvasRenderingContext2D;
  ctx.scale(ratio, ratio);
  const { picture, other, compare } = scene;
  // Enlarged, a pixel is a square.
  ctx.imageSmoothingEnabled = scale * ratio < 1;
  ctx.imageSmoothingQuality = 'high';
  const placeOf = ({ width, height }: Size): Place => [x, y, width * scale, height * scale];
  const own = placeOf(sizeOf(picture));
  ctx.drawImage(picture, ...own);
  if (other && compare === 'wipe')
    wipeOver(ctx, other, placeOf(sizeOf(other)), placeOf(shownSize(scene)), scene.wipe);
  else if (other && compare === 'difference') takeOff(ctx, other, own, placeOf(sizeOf(other)));
  drawMarks(ctx, scene, [picture.naturalWidth, picture.naturalHeight], { scale, x, y });
}

/** The other one right of a line, and nothing where it has nothing. */
function wipeOver(
  ctx: CanvasRenderingContext2D,
  other: HTMLImageElement,
  at: Place,
  [x, y, width, height]: Place,
  wipe: number,
): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x + width * wipe, y, width * (1 - wipe), height);
  ctx.clip();
  ctx.clearRect(x, y, width, height);
  ctx.drawImage(other, ...at);
  ctx.restore();
  ctx.fillStyle = '#fff';
  ctx.fillRect(x + width * wipe - 1, y, 2, height);
}

/** How far the other one differs from what is drawn; hatched where there is only one of them. */
function takeOff(ctx: CanvasRenderingContext2D, other: HTMLImageElement, own: Place, at: Place): void {
  ctx.globalCompositeOperation = 'difference';
  ctx.drawImage(other, ...at);
  ctx.globalCompositeOperation = 'source-over';
  ctx.save();
  ctx.beginPath();
  ctx.rect(...own);
  ctx.rect(...at);
  ctx.clip('evenodd');
  const all: Place = [own[0], own[1], Math.max(own[2], at[2]), Math.max(own[3], at[3])];
  ctx.clearRect(...all);
  ctx.fillStyle = hatch(ctx);
  ctx.fillRect(...all);
  ctx.restore();
}

function hatch(ctx: CanvasRenderingContext2D): CanvasPattern {
  const tile = document.createElement('canvas');
  tile.width = tile.height = 8;
  const lines = tile.getContext('2d') as CanvasRenderingContext2D;
  lines.strokeStyle = '#8a8f9c';
  for (const left of [-4, 4]) {
    lines.moveTo(left - 2, 10);
    lines.lineTo(left + 10, -2);
  }
  lines.stroke();
  return ctx.createPattern(tile, 'repeat') as CanvasPattern;
}

/** Draws masks and boxes over a picture of a size; `named` says whether boxes say what they are. */
export function drawMarks(
  ctx: CanvasRenderingContext2D,
  { masks, boxes, opacity }: Pick<Scene, 'masks' | 'boxes' | 'opacity'>,
  size: readonly [width: number, height: number],
  at: Viewport,
  named = true,
): void {
  ctx.globalAlpha = opacity;
  ctx.imageSmoothingEnabled = false;
  for (const mask of masks) ctx.drawImage(mask, at.x, at.y, size[0] * at.scale, size[1] * at.scale);
  ctx.globalAlpha = 1;
  drawBoxes(ctx, boxes, size, at, named);
}

function drawBoxes(
  ctx: CanvasRenderingContext2D,
  boxes: readonly Box[],
  size: readonly [width: number, height: number],
  { scale, x, y }: Viewport,
  named: boolean,
): void {
  ctx.font = FONT;
  ctx.textBaseline = 'top';
  ctx.lineWidth = 2;
  for (const box of boxes) {
    const [across, down] = box.isPixels ? [1, 1] : size;
    const [left, top] = [x + box.x * across * scale, y + box.y * down * scale];
    const color = classColor(box.classId);
    ctx.strokeStyle = color;
    ctx.strokeRect(left, top, box.width * across * scale, box.height * down * scale);
    if (!named) continue;
    const width = ctx.measureText(box.text).width + 8;
    ctx.fillStyle = color;
    ctx.fillRect(left - 1, top - 16, width, 16);
    ctx.fillStyle = '#0b1020';
    ctx.fillText(box.text, left + 3, top - 13);
  }
}

let probe: CanvasRenderingContext2D | null = null;

/** Red, green, blue and alpha of one pixel, whatever the size of the picture. */
export function pixelOf(picture: HTMLImageElement, [x, y]: readonly [number, number]): readonly number[] {
  if (!probe) {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    probe = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
  }
  probe.clearRect(0, 0, 1, 1);
  probe.drawImage(picture, x, y, 1, 1, 0, 0, 1, 1);
  return [...probe.getImageData(0, 0, 1, 1).data];
}
