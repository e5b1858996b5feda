/** What the server answers, spelled as on the wire. */
import type { Exact } from './exactJson';

export type RunState =
  'running' | 'preempting' | 'finished' | 'crashed' | 'failed' | 'killed' | 'preempted' | 'pending';
export type XAxis = 'step' | 'wall' | 'relative';
export type SortDir = 'asc' | 'desc';

export interface Session {
  user: string;
  server: { id: string; version: string; name: string; features: string[] };
}

export interface Project {
  entity: string;
  project: string;
  runs: number;
  states: Partial<Record<RunState, number>>;
  /** Epoch seconds; null before the first record. */
  last_activity: number | null;
}

export interface RunsQuery {
  columns: string[];
  sort: { k: string; dir: SortDir }[];
  search?: { q: string; mode: 'regex' | 'exact' | 'fuzzy' };
  limit: number;
  offset: number;
}

/** Columnar: `cols[name][i]` belongs to `ids[i]`; a column in `dict` holds indexes into it. */
export interface RunColumns {
  ids: string[];
  cols: Record<string, unknown[]>;
  dict?: Record<string, string[]>;
}

export interface RunsAnswer extends RunColumns {
  version: number;
  total: number;
  matched: number;
}

export interface RunWriter {
  writer: string;
  label: string;
  generation: number;
  acknowledged: number;
  /** Whether its log has come to its end. */
  is_whole: boolean;
}

/** How a writer ended. */
export interface WriterEnd {
  label: string;
  state: RunState;
  exit_code: number | null;
  /** Epoch seconds of its last sign of life. */
  updated: number;
  /** Whether all that the run's processes recorded is known to be here. */
  is_whole: boolean;
}

export interface Run {
  id: string;
  entity: string;
  project: string;
  name: string;
  notes: string | null;
  tags: string[];
  group: string | null;
  job_type: string | null;
  state: RunState;
  exit_code: number | null;
  created: number;
  /** Where the axis `relative` counts from, epoch seconds. */
  relative_zero: number;
  updated: number;
  duration: number;
  /** Of both: numbers are `Exact` where a JavaScript number would lose something. */
  config: Record<string, unknown>;
  summary: Record<string, unknown>;
  writers: RunWriter[];
  /** The writer with which it went wrong. */
  first_bad?: Omit<WriterEnd, 'is_whole'> | null;
  forked_from?: { run: string; step: number | Exact } | null;
  key_count: number;
  /** `Exact` beyond 2^53. */
  last_step: number | Exact | null;
  /** The latest first. */
  alerts?: Alert[];
}

/** What a run told people. */
export interface Alert {
  title: string;
  text: string;
  level: string;
  /** Epoch seconds. */
  time: number;
}

export interface KeyInfo {
  name: string;
  kinds: string[];
  n: number;
  last_step: number;
  n_runs?: number;
  /** Every run that has logged it hides it. */
  hidden: boolean;
}

/** A key that was logged, or a name of the system's samples: a panel has one kind of them. */
export type SeriesRef = { metric: string } | { system: string };

export interface PanelQuery {
  id: string;
  series: SeriesRef[];
  runs: { ids: string[] };
  x: XAxis;
  range: [number, number] | null;
  /** Device pixels of the plot's width. */
  px: number;
  fields: string[];
  /** All devices of a kind as one picture; `*` stands for their numbers in the names of `series`. */
  agg?: 'devices';
  /** All writers of a run as their mean and range. */
  group?: { by: ['run'] };
  /** Logged values come with their neighbours outside of the range. */
  beside: boolean;
}

export interface SeriesMeta {
  i: number;
  run: string;
  metric: string;
  /** Empty for a group. */
  label: string;
  n: number;
  nan: number;
  first_nan: number | null;
  last_x: number | null;
  y: [number, number] | null;
  /** The number of the device that it is of, where all of a kind are one picture. */
  device?: number;
  /** Steps at which it goes on from an earlier attempt, or from the run that it is a fork of. */
  seams?: number[];
}

/** The JSON beside the numbers of one panel, in an answer or in a live frame. */
export interface PanelHeader {
  id: string;
  mode: 'bucket' | 'raw' | 'group' | 'devices';
  x0: number;
  dx: number;
  nb: number;
  unit: string;
  series: SeriesMeta[];
  reset?: boolean;
  version?: number;
}

/** A file that the run logged. */
export interface RunFile {
  name: string;
  /** Bytes. */
  size: number;
  logged: number;
  writer: string;
  label: string;
  /** Of what it holds, in hexadecimal. */
  sha256: string;
  /** What a `wanted` one holds has not come to the server yet. */
  state: 'stored' | 'wanted';
  /** Of a `wanted` one: how many bytes have. */
  have?: number;
}

export type LogStream = 'all' | 'out' | 'err';

/** A line of output: its number, epoch milliseconds, stream, label, text with colours, how often it was rewritten. */
export type LogLine = [
  number: number,
  millis: number,
  stream: 'o' | 'e',
  label: string,
  text: string,
  rewrites: number,
  versions?: string[],
];

/** Lines that name a level, or one that matters more. */
export type LogLevel = 'all' | 'error' | 'warn' | 'info' | 'debug';

/** Which output is meant: of a label (null for the first), of one stream or all, from a level on or all. */
export interface LogSource {
  label: string | null;
  stream: LogStream;
  level: LogLevel;
}

/** All that the first label printed. */
export const ALL_OUTPUT: LogSource = { label: null, stream: 'all', level: 'all' };

/** A line by its time; both are null where there is none. */
export interface LineAt {
  number: number | null;
  /** Epoch milliseconds. */
  wall: number | null;
}

/** A step by its time; both are null where there is none. */
export interface StepAt {
  step: number | null;
  /** Epoch milliseconds. */
  wall: number | null;
}

export interface LogsAnswer {
  total: number;
  /** The place of the first line among those of the stream. */
  first: number;
  labels: string[];
  lines: LogLine[];
}

export interface LogMatches {
  total: number;
  matched: number;
  /** The numbers of some of them in a row, and which of all the first of these is. */
  lines: number[];
  first: number;
  /** How many are in each of equal parts of the whole. */
  map: number[];
}

/** What is sampled of the system; `max` is where its scale ends, null when nothing says. */
export interface SystemMetric {
  name: string;
  unit: string;
  max: number | null;
}
export interface SystemDevice {
  id: string;
  kind: 'gpu' | 'cpu';
  number: number;
  metrics: SystemMetric[];
}
/** Of one writer's label. */
export interface SystemHost {
  label: string;
  metrics: SystemMetric[];
  devices: SystemDevice[];
}
