/** Loads a picture with the boxes and masks that lie over it. */
import { ApiError, getBlobText } from '../../data/api';
import type { MediaItem } from '../../data/media';
import { pictureUrl } from '../image/picture';
import { parseBoxes, type Box, type ClassOf } from './boxes';
import { maskOf, type Mask } from './masks';

export interface Layers {
  boxes: Box[];
  boxClasses: ClassOf[];
  masks: Mask[];
  /** What cannot be drawn, in words. */
  notes: string[];
}

/** @throws EncodingError when it is no picture. */
export async function loadPicture(item: MediaItem): Promise<HTMLImageElement> {
  return await decoded(pictureUrl(item, null));
}

async function decoded(src: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = src;
  await image.decode();
  return image;
}

type Loaded = Partial<Layers>;

async function loadMask(set: string, item: MediaItem): Promise<Loaded> {
  const file = item.masks[set];
  if (!file?.sha256 || file.state === 'wanted') return {};
  const image = await decoded(pictureUrl({ ...item, ...file }, null));
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const ctx = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
  ctx.drawImage(image, 0, 0);
  return { masks: [maskOf(set, file.class_labels, ctx.getImageData(0, 0, canvas.width, canvas.height))] };
}

async function loadBoxes(set: string, item: MediaItem): Promise<Loaded> {
  const file = item.boxes[set];
  if (!file?.sha256 || file.state === 'wanted') return {};
  const { boxes, classes, left } = parseBoxes(set, await getBlobText(file.sha256));
  return { boxes, boxClasses: classes, notes: left > 0 ? [leftText(set, left)] : [] };
}

const leftText = (set: string, left: number): string =>
  left === 1
    ? `1 box of “${set}” has no place and is not drawn.`
    : `${left.toLocaleString('en-US')} boxes of “${set}” have no place and are not drawn.`;

/** What is wrong with marks is said; a fault of ours is thrown. */
async function noted(what: string, loading: Promise<Loaded>): Promise<Loaded> {
  return await loading.catch((error: unknown) => {
    if (!(error instanceof ApiError || error instanceof DOMException || error instanceof SyntaxError))
      throw error;
    return { notes: [`${what} cannot be read: ${error.message}`] };
  });
}

/** The marks of a picture; those that cannot be read are named in the notes. */
export async function loadLayers(item: MediaItem): Promise<Layers> {
  const loaded = await Promise.all([
    ...Object.keys(item.boxes).map((set) => noted(`The boxes “${set}”`, loadBoxes(set, item))),
    ...Object.keys(item.masks).map((set) => noted(`The mask “${set}”`, loadMask(set, item))),
  ]);
  return {
    boxes: loaded.flatMap(({ boxes = [] }) => boxes),
    boxClasses: loaded.flatMap(({ boxClasses = [] }) => boxClasses),
    masks: loaded.flatMap(({ masks = [] }) => masks),
    notes: loaded.flatMap(({ notes = [] }) => notes),
  };
}
