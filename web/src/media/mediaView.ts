/** Which steps are shown of images and the like, and which of them is open, as query parameters. */
import { joinList, splitList, writeQuery } from '../state/urlState';

/** Where an item is. */
export interface ItemRef {
  key: string;
  run: string;
  label: string;
  step: number;
  index: number;
}

export interface MediaView {
  /** Of sections, and of keys that do not follow theirs; what is not in them shows the last step. */
  sections: ReadonlyMap<string, number>;
  keys: ReadonlyMap<string, number>;
  /** Keys of which several steps are beside one another. */
  spread: readonly string[];
  /** Keys of which histograms are ridges. */
  ridges: readonly string[];
  /** The item that is looked at alone. */
  open: ItemRef | null;
  /** Whether boxes and masks are drawn on small pictures. */
  marks: boolean;
}

function readSteps(text: string | null): ReadonlyMap<string, number> {
  const steps = new Map<string, number>();
  for (const entry of splitList(text ?? '')) {
    const match = /^([^]*):(\d+)$/.exec(entry);
    const step = Number(match?.[2]);
    if (match && Number.isSafeInteger(step)) steps.set(match[1] as string, step);
  }
  return steps;
}

const writeSteps = (steps: ReadonlyMap<string, number>): string | null =>
  steps.size ? joinList([...steps].map(([name, step]) => `${name}:${step}`)) : null;

function readItem(text: string | null): ItemRef | null {
  const parts = text === null ? [] : splitList(text);
  const [key, run, label] = parts as [string, string, string];
  const [step, index] = [Number(parts[3]), Number(parts[4])];
  const isWhole = parts.length === 5 && Number.isSafeInteger(step) && Number.isSafeInteger(index);
  return isWhole && step >= 0 && index >= 0 ? { key, run, label, step, index } : null;
}

/** Reads a query string. What makes no sense is left out. */
export function decodeMedia(query: string): MediaView {
  const params = new URLSearchParams(query);
  return {
    sections: readSteps(params.get('ms')),
    keys: readSteps(params.get('mk')),
    spread: splitList(params.get('mx') ?? ''),
    ridges: splitList(params.get('mr') ?? ''),
    open: readItem(params.get('m')),
    marks: params.get('mb') !== '0',
  };
}

/** Writes a query string. Other parameters of `previous` stay. */
export function encodeMedia(
  { sections, keys, spread, ridges, open, marks }: MediaView,
  previous = '',
): string {
  const item = open && joinList([open.key, open.run, open.label, String(open.step), String(open.index)]);
  return writeQuery(
    {
      ms: writeSteps(sections),
      mk: writeSteps(keys),
      mx: spread.length ? joinList(spread) : null,
      mr: ridges.length ? joinList(ridges) : null,
      m: item,
      mb: marks ? null : '0',
    },
    previous,
  );
}

/** The steps with another one of a name, or without it. */
export function withStep(
  steps: ReadonlyMap<string, number>,
  name: string,
  step: number | null,
): ReadonlyMap<string, number> {
  const changed = new Map(steps);
  if (step === null) changed.delete(name);
  else changed.set(name, step);
  return changed;
}
