/** What a chart is drawn from: its specification with columns and texts in place, or why there is none. */
import type { ChartAnswer, Spec } from '../data/chartData';
import { firstFault, madeColumns } from './checks';
import type { KeptPreset } from './chartList.svelte';
import type { ChartLook } from './definitions';
import { own } from './members';
import { builtIn, isReserved, type Situation } from './presets';
import { asked, fill, isVega } from './template';

export type Resolved =
  | { kind: 'loading' }
  | { kind: 'spec'; spec: Spec; filled: Spec; noun: string }
  | { kind: 'problem'; title: string; detail: string };

/** What is known of the rows of a chart. */
export function situationOf(look: Pick<ChartLook, 'fields'>, answer: ChartAnswer): Situation {
  const first = answer.rows[0]?.['_run'];
  return {
    several: answer.rows.some((row) => row['_run'] !== first),
    fields: look.fields,
    columns: answer.columns,
    rows: answer.rows.length,
  };
}

/** The specification that a look has, templates and all. */
export function specOf(
  { preset, spec }: Pick<ChartLook, 'preset' | 'spec'>,
  situation: Situation,
  kept: (name: string) => KeptPreset,
): Spec | Exclude<Resolved, { kind: 'spec' }> {
  if (preset === null) return spec ?? {};
  const ready = builtIn(preset);
  if (ready) return ready.make(situation);
  if (preset === '')
    return {
      kind: 'problem',
      title: 'The run does not say how it is drawn',
      detail: 'Edit the chart, and choose a preset or write a specification.',
    };
  const found = kept(preset);
  if (found === 'loading') return { kind: 'loading' };
  if (found === 'unknown')
    return {
      kind: 'problem',
      title: `There is no preset “${preset}”`,
      detail: isReserved(preset)
        ? 'The run names it, and it is none of the presets that every project has. Edit the chart, choose a preset or ' +
          'write the specification, and use it in this panel.'
        : 'The run names it, and this project does not keep one of that name. Edit the chart, write the ' +
          'specification, and save it as a preset under this name; or use another one in this panel.',
    };
  if ('error' in found)
    return { kind: 'problem', title: 'The preset could not be loaded', detail: found.error.message };
  return found.spec;
}

const isSpec = (value: Spec | Resolved): value is Spec => typeof value['kind'] !== 'string';

/** The specification as it is drawn. */
export function resolve(look: ChartLook, answer: ChartAnswer, kept: (name: string) => KeptPreset): Resolved {
  const spec = specOf(look, situationOf(look, answer), kept);
  if (!isSpec(spec)) return spec;
  const filled = fill(spec, look);
  const open = openFields(spec, look.fields) ?? lostColumns(spec, look.fields, answer);
  if (open) return { kind: 'problem', title: open, detail: 'Edit the chart, and say which column it is.' };
  const fault = isVega(spec) ? null : firstFault(spec);
  if (fault) return { kind: 'problem', title: 'The specification cannot be drawn', detail: fault.message };
  return { kind: 'spec', spec, filled, noun: builtIn(look.preset ?? '')?.noun ?? 'chart' };
}

type Fields = ChartLook['fields'];

/** What to say of fields that have no column. */
export function openFields(spec: Spec, fields: Fields): string | null {
  const names = asked(spec)
    .fields.filter((name) => own(fields, name) === undefined)
    .map((name) => `“${name}”`);
  if (names.length === 0) return null;
  return names.length === 1
    ? `The field ${names[0]} has no column`
    : `The fields ${names.join(', ')} have no columns`;
}

/** What each row has besides the columns of its table. */
const BESIDES = ['_run', '_name', '_color', '_step', 'id', 'name', 'color', '_defaultColorIndex'];

/** What to say of fields whose columns are not in the rows, and are not made by the specification. */
export function lostColumns(spec: Spec, fields: Fields, { columns, rows }: ChartAnswer): string | null {
  const made = madeColumns(fill(spec, { fields, strings: {} }));
  if (!made || rows.length === 0) return null;
  const known = new Set([
    ...BESIDES,
    ...made,
    ...columns.map(({ name }) => name),
    ...Object.keys(rows[0] ?? {}),
  ]);
  const lost = asked(spec).fields.flatMap((name) => {
    const column = own(fields, name);
    return column === undefined || known.has(column) ? [] : [`“${column}”`];
  });
  if (lost.length === 0) return null;
  return lost.length === 1
    ? `There is no column ${lost[0]}`
    : `There are no columns ${[...new Set(lost)].join(', ')}`;
}
