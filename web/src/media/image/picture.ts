/** Where a picture's bytes are. */
import { blobUrl } from '../../data/api';
import type { MediaItem } from '../../data/media';

/** The server makes no thumbnail of a drawing. */
const isDrawing = ({ path, mime }: MediaItem): boolean => mime === 'image/svg+xml' || /\.svg$/i.test(path);

/** The server makes pictures of 16 to 2048 pixels, of a power of two. */
const thumbSize = (px: number): number => Math.min(2048, Math.max(16, 2 ** Math.ceil(Math.log2(px))));

/**
 * The address of a picture that is shown in so many CSS pixels; null for the whole. One that is hardly larger is
 * not made smaller. Nothing in it runs: it is an image, of an origin without any rights.
 */
export function pictureUrl(item: MediaItem, px: number | null): string {
  const sha256 = item.sha256 as string;
  if (isDrawing(item)) return blobUrl(sha256, { as: 'svg' });
  if (px === null) return blobUrl(sha256);
  return blobUrl(sha256, { w: thumbSize(px * devicePixelRatio) });
}
