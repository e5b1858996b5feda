/** When a list is asked again: soon after something changed, and not too often. */

/** What is new of a run is rare after its first seconds. */
export const AGAIN_MILLIS = 3000;

export class Again {
  private timer: number | null = null;
  private askedAt = -Infinity;

  constructor(
    private readonly load: () => void,
    private readonly pauseMillis: () => number = () => AGAIN_MILLIS,
  ) {}

  /** Say that it was asked now. */
  asked(): void {
    this.askedAt = Date.now();
  }

  /** Asks soon, at most every few seconds. */
  poke(): void {
    this.timer ??= setTimeout(
      () => {
        this.timer = null;
        if (!document.hidden) this.load();
      },
      Math.max(0, this.askedAt + this.pauseMillis() - Date.now()),
    ) as unknown as number;
  }

  close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
  }
}
