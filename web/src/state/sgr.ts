/** Reads the colours of a terminal (SGR sequences) out of a line of output. */

/** A piece of a line that looks the same throughout. */
export interface Span {
  text: string;
  /** Class names: `fg-1`, `bg-12`, `bold`; empty for none. */
  look: string;
  /** Colours that are no names, as CSS has them; null for none. */
  color: string | null;
  back: string | null;
}

type Color = { name: number } | { css: string } | null;
interface State {
  color: Color;
  back: Color;
  flags: Set<string>;
}

const SEQUENCE = /\x1b\[([0-9;:]*)m/g; // eslint-disable-line no-control-regex
const ON: Readonly<Record<number, string>> = {
  1: 'bold',
  2: 'dim',
  3: 'italic',
  4: 'underline',
  7: 'reverse', // told by the colours, which change places
  8: 'hidden',
  9: 'strike',
};
const OFF: Readonly<Record<number, readonly string[]>> = {
  22: ['bold', 'dim'],
  23: ['italic'],
  24: ['underline'],
  27: ['reverse'],
  28: ['hidden'],
  29: ['strike'],
};
/** The steps of the 6 × 6 × 6 cube among the 256 colours. */
const CUBE = [0, 95, 135, 175, 215, 255];

const rgb = (red: number, green: number, blue: number): Color => ({
  css: `rgb(${[red, green, blue].map((part) => Math.min(255, Math.max(0, part))).join(' ')})`,
});

/** One of the 256 colours; the first 16 are names, which follow the theme. */
export function indexedColor(index: number): Color {
  if (index < 16) return { name: index };
  if (index > 255) return null;
  if (index >= 232) {
    const grey = 8 + 10 * (index - 232);
    return rgb(grey, grey, grey);
  }
  const at = index - 16;
  const part = (size: number) => CUBE[Math.floor(at / size) % 6] as number;
  return rgb(part(36), part(6), part(1));
}

/** The colour after a 38 or 48 at `i`, and how many numbers it took. */
function extendedColor(codes: readonly number[], i: number): [Color, number] {
  const [kind, a = 0, b = 0, c = 0] = codes.slice(i + 1, i + 5);
  if (kind === 5) return [indexedColor(a), 2];
  if (kind === 2) return [rgb(a, b, c), 4];
  return [null, codes.length];
}

/** The colour that a code names: of the text or behind it. */
function namedColor(code: number): ['color' | 'back', Color] | null {
  if (code === 39 || code === 49) return [code === 39 ? 'color' : 'back', null];
  for (const [start, name] of [
    [30, 0],
    [90, 8],
  ] as const) {
    if (code >= start && code < start + 8) return ['color', { name: name + code - start }];
    if (code >= start + 10 && code < start + 18) return ['back', { name: name + code - start - 10 }];
  }
  return null;
}

function apply(state: State, parameters: string): void {
  // `38:2::r:g:b` has a place for a colour space, which is empty.
  const codes = parameters
    .replace(/([34]8:2):\d*:(?=\d+:\d+:\d+)/g, '$1:')
    .split(/[;:]/)
    .map(Number);
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number;
    if (code === 0) [state.color, state.back, state.flags] = [null, null, new Set()];
    else if (code === 38 || code === 48) {
      const [color, taken] = extendedColor(codes, i);
      state[code === 38 ? 'color' : 'back'] = color;
      i += taken;
    } else {
      const named = namedColor(code);
      if (named) state[named[0]] = named[1];
      const flag = ON[code];
      if (flag) state.flags.add(flag);
      for (const ended of OFF[code] ?? []) state.flags.delete(ended);
    }
  }
}

function spanOf(text: string, { color, back, flags }: State): Span {
  const isReverse = flags.has('reverse');
  const names = [...flags].filter((flag) => flag !== 'reverse');
  const css = (isReverse ? [back, color] : [color, back]).map((one, i) => {
    const side = i ? 'bg' : 'fg';
    if (one ? 'name' in one : isReverse) names.push(`${side}-${one && 'name' in one ? one.name : 'reverse'}`);
    return one && 'css' in one ? one.css : null;
  });
  return { text, look: names.join(' '), color: css[0] ?? null, back: css[1] ?? null };
}

/** The pieces of a line; a line without colours is one piece. */
export function parseSgr(line: string): Span[] {
  if (!line.includes('\x1b')) return line ? [{ text: line, look: '', color: null, back: null }] : [];
  const spans: Span[] = [];
  const state: State = { color: null, back: null, flags: new Set() };
  let end = 0;
  for (const match of line.matchAll(SEQUENCE)) {
    if (match.index > end) spans.push(spanOf(line.slice(end, match.index), state));
    apply(state, match[1] ?? '');
    end = match.index + match[0].length;
  }
  if (end < line.length) spans.push(spanOf(line.slice(end), state));
  return spans;
}

/** The line without its colours. */
export const plainText = (line: string): string => line.replace(SEQUENCE, '');

/** The pieces, cut so that what is found (a text) stands in pieces of its own, which have `isFound`. */
export function markFound(
  spans: readonly Span[],
  found: string,
  hasCase: boolean,
): (Span & { isFound: boolean })[] {
  const fold = (text: string) => (hasCase ? text : text.toLowerCase());
  const whole = fold(spans.map(({ text }) => text).join(''));
  const sought = fold(found);
  const starts: number[] = [];
  for (let at = sought ? whole.indexOf(sought) : -1; at >= 0; at = whole.indexOf(sought, at + sought.length))
    starts.push(at);
  const cuts = starts.flatMap((at) => [at, at + sought.length]);
  let start = 0;
  let next = 0;
  return spans.flatMap((span) => {
    const pieces: (Span & { isFound: boolean })[] = [];
    const end = start + span.text.length;
    for (let at = start; at < end;) {
      while (next < cuts.length && (cuts[next] as number) <= at) next++;
      const stop = Math.min(end, cuts[next] ?? end);
      pieces.push({ ...span, text: span.text.slice(at - start, stop - start), isFound: next % 2 === 1 });
      at = stop;
    }
    start = end;
    return pieces;
  });
}
