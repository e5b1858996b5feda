/** Loads a picture with the boxes and masks that lie over it. */
import { getBlobText } from '../../data/api';
import type { MediaItem } from '../../data/media';
import { pictureUrl } from '../image/picture';
import { parseBoxes, type Box, type ClassOf } from './boxes';
import { maskOf, type Mask } from './masks';

export interface Layers {
  boxes: Box[];
  boxClasses: ClassOf[];
  masks: Mask[];
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

async function loadMask(set: string, item: MediaItem): Promise<Mask[]> {
  const file = item.masks[set];
  if (!file?.sha256 || file.state === 'wanted') return [];
  const image = await decoded(pictureUrl({ ...item, ...file }, null));
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const ctx = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
  ctx.drawImage(image, 0, 0);
  return [maskOf(set, file.class_labels, ctx.getImageData(0, 0, canvas.width, canvas.height))];
}

async function loadBoxes(set: string, item: MediaItem): Promise<ReturnType<typeof parseBoxes>[]> {
  const file = item.boxes[set];
  if (!file?.sha256 || file.state === 'wanted') return [];
  return [parseBoxes(set, await getBlobText(file.sha256))];
}

export async function loadLayers(item: MediaItem): Promise<Layers> {
  const [boxes, masks] = await Promise.all([
    Promise.all(Object.keys(item.boxes).map((set) => loadBoxes(set, item))),
    Promise.all(Object.keys(item.masks).map((set) => loadMask(set, item))),
  ]);
  return {
    boxes: boxes.flat().flatMap((set) => set.boxes),
    boxClasses: boxes.flat().flatMap((set) => set.classes),
    masks: masks.flat(),
  };
}
