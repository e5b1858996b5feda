/** Which colour and dash a run is drawn with: the same for a run as long as it can be. */

export interface Look {
  /** Index into the palette of the theme. */
  hue: number;
  /** Index into {@link DASHES}: 0 for the first ten visible runs. */
  dash: number;
}

/** Ten hues that stay apart under colour-vision deficiencies; the same hue has the same index in both themes. */
export const PALETTE = {
  light: '#2d66f3 #b35713 #5d9669 #f0265b #5b10c9 #155f58 #9a9725 #5a261c #865d8f #8f9298'.split(' '),
  dark: '#4ca2fc #ec9421 #5a8e70 #e70775 #7a49f1 #88e8fe #e3d99f #a56033 #8f7695 #aeb1b6'.split(' '),
} as const;
export const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

/** FNV-1a over UTF-16 units: only has to spread short ids evenly. */
export function hashId(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * Gives each visible run a look. A run gets the hue of its hash, or the next free one; after every hue is
 * taken they start again with the next dash. Runs earlier in the list never change when one is added behind.
 */
export function assignLooks(visible: readonly string[]): Map<string, Look> {
  const hues = PALETTE.light.length;
  const taken = new Array<number>(hues).fill(0);
  const looks = new Map<string, Look>();
  for (const id of visible) {
    const round = Math.min(...taken);
    let hue = hashId(id) % hues;
    while ((taken[hue] as number) > round) hue = (hue + 1) % hues;
    taken[hue] = (taken[hue] as number) + 1;
    looks.set(id, { hue, dash: round % DASHES.length });
  }
  return looks;
}

/** The colour of a look in a theme. */
export function lookColor(look: Look | undefined, theme: 'light' | 'dark'): string {
  return PALETTE[theme][look?.hue ?? 0] as string;
}
