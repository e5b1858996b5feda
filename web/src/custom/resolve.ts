/** What a chart is drawn from: its specification with columns and texts in place, or why there is none. */
import type { ChartAnswer, Spec } from '../data/chartData';
import { firstFault } from './checks';
import type { KeptPreset } from './chartList.svelte';
import type { ChartLook } from './definitions';
import { builtIn, type Situation } from './presets';
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
      detail:
        'The run names it, and this project does not keep one of that name. Edit the chart, write the ' +
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
  const open = openFields(filled);
  if (open) return { kind: 'problem', title: open, detail: 'Edit the chart, and say which column it is.' };
  const fault = isVega(spec) ? null : firstFault(spec);
  if (fault) return { kind: 'problem', title: 'The specification cannot be drawn', detail: fault.message };
  return { kind: 'spec', spec, filled, noun: builtIn(look.preset ?? '')?.noun ?? 'chart' };
}

/** What to say of fields that have no column. */
export function openFields(filled: Spec): string | null {
  const names = asked(filled).fields.map((name) => `“${name}”`);
  if (names.length === 0) return null;
  return names.length === 1
    ? `The field ${names[0]} has no column`
    : `The fields ${names.join(', ')} have no columns`;
}
