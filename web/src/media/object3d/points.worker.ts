/** Reads a point cloud aside: a million points as text take seconds. */
import { cloudOf } from './points';

addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) => {
  try {
    const cloud = cloudOf(new TextDecoder().decode(data));
    const { places, colors } = cloud;
    postMessage({ cloud }, { transfer: [places.buffer, colors.buffer] });
  } catch (error) {
    postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
});
