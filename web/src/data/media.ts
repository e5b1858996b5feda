/** Images and the like, spelled as on the wire. */

/** At which steps a run has objects of a key, and how many. */
export interface MediaSeries {
  run: string;
  label: string;
  key: string;
  /** The `_type` of the last one. */
  kind: string;
  /** Ascending. */
  steps: number[];
  counts: number[];
}

export interface MediaIndex {
  series: MediaSeries[];
  truncated: { shown: number; total: number | null; reason: string } | null;
}

/** A file that an object names; without one all but `path` are null. */
export interface MediaFile {
  path: string;
  sha256: string | null;
  size: number | null;
  state: 'stored' | 'wanted' | 'missing' | null;
}

export interface MediaMask extends MediaFile {
  class_labels: Record<string, string> | null;
}

export interface MediaItem extends MediaFile {
  run: string;
  label: string;
  key: string;
  step: number;
  /** Its place in the value, and how many that has. */
  index: number;
  count: number;
  kind: string;
  mime: string | null;
  format: string | null;
  width: number | null;
  height: number | null;
  /** Seconds. */
  duration: number | null;
  caption: string | null;
  grouping: unknown;
  boxes: Record<string, MediaFile>;
  masks: Record<string, MediaMask>;
  /** As it was logged; null where a list only names files. */
  value: Record<string, unknown> | null;
}

export interface HistogramsQuery {
  runs: { ids: readonly string[] };
  key: string;
  x: 'step';
  range: [number, number] | null;
  /** Device pixels of the plot's width. */
  px: number;
  max_bins: number;
}

/** Numbers that are none come as the text of their name. */
export type WireNumber = number | string | null;

export interface HistogramAnswer {
  x0: number;
  dx: number;
  nb: number;
  series: { i: number; run: string; label: string; skipped: number }[];
  columns: {
    s: number[];
    /** The first and the last step of a column, and how many are merged in it. */
    step: number[];
    last: number[];
    merged: number[];
    edges: WireNumber[][];
    counts: WireNumber[][];
    nan: number[];
    inf: number[];
    neg_inf: number[];
    p01: WireNumber[];
    p25: WireNumber[];
    p50: WireNumber[];
    p75: WireNumber[];
    p99: WireNumber[];
  };
  truncated: unknown;
}
