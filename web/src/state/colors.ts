/** Which colour and dash a run is drawn with: the same for a run as long as it can be. */

export interface Look {
  /** Index into the palette of the theme. */
  hue: number;
  /** Of {@link dashOf}: 0 for the first ten visible runs. */
  dash: number;
}

/** Ten hues that stay apart under colour-vision deficiencies; the same hue has the same index in both themes. */
export const PALETTE = {
  light: '#2d66f3 #b35713 #5d9669 #f0265b #5b10c9 #155f58 #9a9725 #5a261c #865d8f #8f9298'.split(' '),
  dark: '#4ca2fc #ec9421 #5a8e70 #e70775 #7a49f1 #88e8fe #e3d99f #a56033 #8f7695 #aeb1b6'.split(' '),
} as const;
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3]];
/** More dots than this between two strokes cannot be counted. */
const MOST_DOTS = 9;

/** A dash in CSS pixels: solid, strokes, dots, then strokes with one dot between them, two dots, … */
export function dashOf(index: number): readonly number[] {
  const plain = DASHES[index % (DASHES.length + MOST_DOTS)];
  const dots = (index % (DASHES.length + MOST_DOTS)) - DASHES.length + 1;
  return plain ?? [10, 3, ...Array<number[]>(dots).fill([2, 3]).flat()];
}

/** From dark to bright: stays readable under colour-vision deficiencies, and in grey. */
const CIVIDIS = '#00224e #123570 #3b496c #575d6d #707173 #8a8678 #a59c74 #c3b369 #fee838'.split(' ');

/** The red, green and blue (0 to 255) of a share from 0 to 1. */
export function shareColor(share: number): [number, number, number] {
  const at = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const channels = (index: number) => {
    const value = Number.parseInt((CIVIDIS[Math.min(index, CIVIDIS.length - 1)] as string).slice(1), 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  };
  const [low, high] = [channels(Math.floor(at)), channels(Math.floor(at) + 1)];
  const part = at - Math.floor(at);
  const mix = (i: number) => Math.round((low[i] as number) * (1 - part) + (high[i] as number) * part);
  return [mix(0), mix(1), mix(2)];
}

/** The same, as CSS has it: a scale from left to right. */
export const SHARE_GRADIENT = `linear-gradient(to right, ${CIVIDIS.join(', ')})`;

/** The look of one of several lines in a chart, by its place; a limit is dashed and has no hue of its own. */
export function lineLook(lines: readonly { name: string; isLimit?: boolean }[], name: string): Look {
  const place = Math.max(
    0,
    lines.findIndex((line) => line.name === name),
  );
  const hues = PALETTE.light.length;
  return lines[place]?.isLimit
    ? { hue: hues - 1, dash: 1 }
    : { hue: place % hues, dash: Math.floor(place / hues) };
}

/** FNV-1a over UTF-16 units: only has to spread short ids evenly. */
export function hashId(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * Gives each visible run a look. One that it had before, shown or hidden since, it keeps unless another run
 * has that now. Else it gets the hue of its hash, or the next one that fewer runs have; a hue that several
 * have goes on with the next dash.
 */
export function assignLooks(
  visible: readonly string[],
  before: ReadonlyMap<string, Look> = new Map<string, Look>(),
): Map<string, Look> {
  const hues = PALETTE.light.length;
  const taken = Array.from({ length: hues }, () => new Set<number>());
  const looks = new Map<string, Look>();
  for (const id of visible) {
    const look = before.get(id);
    if (!look || taken[look.hue]?.has(look.dash)) continue;
    taken[look.hue]?.add(look.dash);
    looks.set(id, look);
  }
  for (const id of visible) {
    if (looks.has(id)) continue;
    const fewest = Math.min(...taken.map((dashes) => dashes.size));
    let hue = hashId(id) % hues;
    while ((taken[hue] as Set<number>).size > fewest) hue = (hue + 1) % hues;
    const dashes = taken[hue] as Set<number>;
    let dash = 0;
    while (dashes.has(dash)) dash++;
    dashes.add(dash);
    looks.set(id, { hue, dash });
  }
  return looks;
}

/** The looks of one page, which remembers those of runs that are hidden. */
export class Looks {
  private readonly known = new Map<string, Look>();

  /** Gives each visible run a look, as {@link assignLooks}. */
  assign(visible: readonly string[]): Map<string, Look> {
    const looks = assignLooks(visible, this.known);
    for (const [id, look] of looks) this.known.set(id, look);
    return looks;
  }
}

/** Labels in their order: none at all, then as people count. */
export function orderedLabels(labels: Iterable<string>): string[] {
  return [...new Set(labels)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** The place of each label among those of its run: the first one's line is drawn as the run's own. */
export function labelRanks(
  writers: Iterable<{ run: string; label: string }>,
): (run: string, label: string) => number {
  const labels = new Map<string, Set<string>>();
  for (const { run, label } of writers) labels.set(run, (labels.get(run) ?? new Set()).add(label));
  const ranks = new Map<string, Map<string, number>>();
  for (const [run, found] of labels)
    ranks.set(run, new Map(orderedLabels(found).map((label, rank) => [label, rank])));
  return (run, label) => ranks.get(run)?.get(label) ?? 0;
}

/** The colour of a look in a theme. */
export function lookColor(look: Look | undefined, theme: 'light' | 'dark'): string {
  return PALETTE[theme][look?.hue ?? 0] as string;
}
