/** Rows as the server answers them, as a chart is drawn from them. */
import type { ChartAnswer, ChartRow } from '../data/chartData';
import type { CellKind } from '../data/tables';

/** What specifications call the rows: W&B's name. */
export const DATA = 'wandb';

/** How a run is called and coloured. */
export interface RunWords {
  name: string;
  /** A CSS colour. */
  color: string;
}

const NUMBERS = new Set<CellKind>(['int', 'float']);
const WORDS: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity };

/** Numbers are numbers: what no JSON number can be comes as a text. */
const numberOf = (cell: string): number => WORDS[cell] ?? Number(cell);

/**
 * Rows with the colour and the name of their run: `_run`, `_name` and `_color`, and, where no column has their name,
 * W&B's `id`, `name`, `color` and `_defaultColorIndex`. No two runs have one name or one text of a colour.
 */
export function rowsOf(answer: ChartAnswer, words: ReadonlyMap<string, RunWords>): ChartRow[] {
  const numbers = answer.columns
    .filter(({ name, kind }) => NUMBERS.has(kind) && name !== '_color')
    .map(({ name }) => name);
  const taken = new Set(answer.columns.map(({ name }) => name));
  const known = distinct(words);
  /** Of each run what all its rows have, made once: there may be 100,000. */
  const shared = new Map<string, { free: ChartRow; fixed: ChartRow }>();
  const sharedOf = (run: string, row: ChartRow) => {
    const own = known.get(run);
    const name = own?.name ?? String(row['_name']);
    const said = { id: run, name, color: own?.color, _defaultColorIndex: row['_color'] };
    const free = Object.fromEntries(Object.entries(said).filter(([key]) => !taken.has(key)));
    const made = { free, fixed: { _name: name, _color: own?.color } };
    shared.set(run, made);
    return made;
  };
  return answer.rows.map((row) => {
    const run = String(row['_run']);
    const { free, fixed } = shared.get(run) ?? sharedOf(run, row);
    const all: ChartRow = { ...free, ...row, ...fixed };
    for (const column of numbers) {
      const cell = row[column];
      if (typeof cell === 'string') all[column] = numberOf(cell);
    }
    return all;
  });
}

/** Names that differ; colours that look the same and are different texts. */
function distinct(words: ReadonlyMap<string, RunWords>): Map<string, RunWords> {
  const names = new Map<string, number>();
  const colors = new Map<string, number>();
  for (const { name } of words.values()) names.set(name, (names.get(name) ?? 0) + 1);
  return new Map(
    [...words].map(([run, { name, color }]) => {
      const before = colors.get(color) ?? 0;
      colors.set(color, before + 1);
      // Nearly opaque: scales of Vega take each colour once.
      const alpha = (255 - Math.min(before, 64)).toString(16);
      return [
        run,
        {
          name: (names.get(name) ?? 0) > 1 ? `${name} (${run})` : name,
          color: before ? `${color}${alpha}` : color,
        },
      ];
    }),
  );
}

/** How a column is drawn on an axis. */
export function typeOf(kind: CellKind | undefined): 'quantitative' | 'temporal' | 'nominal' {
  if (kind === 'time') return 'temporal';
  return kind === 'text' || kind === 'bool' || kind === 'json' || kind === 'media'
    ? 'nominal'
    : 'quantitative';
}
