/** Reads `metadata.json`, which is a client's and may hold anything. */
import { formatUnit } from '../chart/units';

/** What is known of where a run ran. */
export type Metadata = Readonly<Record<string, unknown>>;

export interface Fact {
  name: string;
  text: string;
  mono?: boolean;
}

export interface Git {
  commit: string | null;
  branch: string | null;
  remote: string | null;
  root: string | null;
  dirty: boolean | null;
  /** Whether the commit, or a patch to it, has the program. */
  hasProgram: boolean | null;
  hasSubmodules: boolean;
  /** Whether a remote branch was known to have the commit; null where that is not known. */
  isPushed: boolean | null;
  untracked: string[];
  /** There may be more than are named. */
  untrackedCount: number;
  /** Patches that were too large, by the names of their files: what is left of them is no patch. */
  cut: string[];
  /** Why something of this is not known. */
  reason: string | null;
}

/** The object that a text holds; null for anything else. */
export function parseMetadata(text: string): Metadata | null {
  try {
    return tableOf(JSON.parse(text));
  } catch {
    return null; // whoever logged it under this name meant something else
  }
}

function tableOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : null;
const numberOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const bytes = (value: unknown): string | null => {
  const number = numberOf(value);
  return number === null ? null : formatUnit(number, 'B', 3);
};

/** A part of the metadata as texts by name, for a searchable list; null without any. */
export function part(metadata: Metadata, name: string): Record<string, unknown> | null {
  const table = tableOf(metadata[name]);
  return table && Object.keys(table).length > 0 ? table : null;
}

/** Those that have a text. */
const facts = (...all: [name: string, text: string | null, mono?: 'mono'][]): Fact[] =>
  all.flatMap(([name, text, mono]) =>
    text === null ? [] : [{ name, text, ...(mono ? { mono: true } : {}) }],
  );

function cores(metadata: Metadata): string | null {
  const [physical, logical] = [numberOf(metadata['cpu_count']), numberOf(metadata['cpu_count_logical'])];
  if (physical === null) return logical === null ? null : `${logical} logical`;
  return logical === null || logical === physical ? String(physical) : `${physical}, ${logical} logical`;
}

/** `8 × NVIDIA H100, 80 GiB`: one line for each model. */
export function gpuLines(metadata: Metadata): string[] {
  const counts = new Map<string, number>();
  for (const gpu of listOf(metadata['gpu_nvidia'])) {
    const { name, memoryTotal, architecture } = tableOf(gpu) ?? {};
    const line = [textOf(name) ?? 'GPU', bytes(memoryTotal), textOf(architecture)].filter(Boolean).join(', ');
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  const named = textOf(metadata['gpu']);
  if (counts.size === 0 && named) counts.set(named, numberOf(metadata['gpu_count']) ?? 1);
  return [...counts].map(([line, count]) => (count > 1 ? `${count} × ${line}` : line));
}

/** The model of each GPU, by its number. */
export const gpuNames = (metadata: Metadata | null): string[] =>
  listOf(metadata?.['gpu_nvidia']).map((gpu) => textOf(tableOf(gpu)?.['name']) ?? '');

export function hostFacts(metadata: Metadata): Fact[] {
  const [cgroup, disks] = [tableOf(metadata['cgroup']), tableOf(metadata['disk'])];
  const cpuLimit = numberOf(cgroup?.['cpu_limit']);
  const memoryLimit = bytes(cgroup?.['memory_limit']);
  const container = textOf(metadata['docker']) ?? (metadata['container'] === true ? 'yes' : null);
  const lines = gpuLines(metadata);
  return facts(
    ['Host', textOf(metadata['host']), 'mono'],
    ['User', textOf(metadata['username'])],
    ['OS', textOf(metadata['os'])],
    ['Container', container, 'mono'],
    ['CPU', textOf(tableOf(metadata['cpu'])?.['model'])],
    ['Cores', cores(metadata)],
    ['Cores it may use', cpuLimit === null ? null : String(cpuLimit)],
    ['Memory', bytes(tableOf(metadata['memory'])?.['total'])],
    ['Memory it may use', memoryLimit],
    ...lines.map((line, i): [string, string] => [lines.length > 1 ? `GPU, model ${i + 1}` : 'GPU', line]),
    ['CUDA', textOf(metadata['cudaVersion'])],
    ...Object.entries(disks ?? {}).map(([path, disk]): [string, string | null] => {
      const [total, used] = [bytes(tableOf(disk)?.['total']), bytes(tableOf(disk)?.['used'])];
      return [`Disk ${path}`, total && (used ? `${total}, ${used} in use at the start` : total)];
    }),
  );
}

export function programFacts(metadata: Metadata): Fact[] {
  return facts(
    ['Python', textOf(metadata['python'])],
    ['Interpreter', textOf(metadata['executable']), 'mono'],
    ['Program', textOf(metadata['program']), 'mono'],
    ['Folder', textOf(metadata['root']), 'mono'],
    ['Process', textOf(metadata['pid']), 'mono'],
    ['Started', textOf(metadata['startedAt'])],
  );
}

export function gitOf(metadata: Metadata): Git | null {
  const git = tableOf(metadata['git']);
  if (!git) return null;
  const untracked = listOf(git['untracked']).flatMap((name) => textOf(name) ?? []);
  return {
    commit: textOf(git['commit']),
    branch: textOf(git['branch']),
    remote: textOf(git['remote']),
    root: textOf(git['root']),
    dirty: typeof git['dirty'] === 'boolean' ? git['dirty'] : null,
    hasProgram: typeof git['has_program'] === 'boolean' ? git['has_program'] : null,
    hasSubmodules: git['has_submodules'] === true,
    isPushed: typeof git['is_pushed'] === 'boolean' ? git['is_pushed'] : null,
    untracked,
    untrackedCount: Math.max(untracked.length, numberOf(git['untracked_count']) ?? 0),
    cut: listOf(git['cut']).flatMap((name) => textOf(name) ?? []),
    reason: textOf(git['reason']),
  };
}

/** The words with which the program was called; null when it cannot be called again. */
export function commandOf(metadata: Metadata): string[] | null {
  const words = listOf(metadata['command']);
  return words.length > 0 && words.every((word) => typeof word === 'string') ? words : null;
}

/** Whether it is known that there is no command: as in a notebook. */
export const isInteractive = (metadata: Metadata): boolean =>
  textOf(metadata['program']) !== null && commandOf(metadata) === null;

/** The path of the program, and the name of the file of the run that holds it. */
export const programOf = (metadata: Metadata): { path: string | null; saved: string | null } => ({
  path: textOf(metadata['program']),
  saved: textOf(metadata['codePath']),
});

export const folderOf = (metadata: Metadata): string | null => textOf(metadata['root']);

/** The packages of a `requirements.txt`: name to version, or to where it came from. */
export function packagesOf(requirements: string): Record<string, string> {
  const found: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of requirements.split('\n').map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const pinned = !line.startsWith('-e ') && /^([^\s=@]+)(?:==| @ )(.+)$/.exec(line);
    if (pinned) found[pinned[1] as string] = pinned[2] as string;
    else if (line.startsWith('-e ')) {
      const name = /#(?:.*&)?egg=([^&]+)/.exec(line)?.[1] ?? line.slice(3).split('/').at(-1);
      found[name || line] = line;
    } else found[line] = '';
  }
  return found;
}
