/** What stood at each place of a grid: it stays until what is asked for is known. */
import { ApiError } from '../../data/api';
import type { MediaItem } from '../../data/media';

type Found = MediaItem | ApiError | null | undefined;

export class LastShown {
  private readonly places = new Map<number, MediaItem>();

  /** What is found, or what was there before while nothing is known. */
  at(place: number, found: Found): Found {
    if (found === undefined) return this.places.get(place);
    if (found !== null && !(found instanceof ApiError)) this.places.set(place, found);
    return found;
  }
}
