/** A histogram that is a value of its own, as bars. */

export interface Bars {
  /** Counts, from the lowest bin on, and between which values each lies: one more. */
  counts: number[];
  edges: number[];
  /** What is in no bin: NaN and infinities. */
  odd: number;
}

const numbersOf = (value: unknown): number[] => (Array.isArray(value) ? value.map(Number) : []);

function packedEdges(value: unknown): number[] {
  if (typeof value !== 'object' || value === null) return [];
  const { min, size, count } = value as Record<string, unknown>;
  const bins = Math.min(512, Math.max(0, Number(count) || 0));
  return Array.from({ length: bins + 1 }, (_, i) => Number(min) + i * Number(size));
}

/** Null for what is none; one that nothing was counted in has no bars. */
export function barsOf(value: unknown): Bars | null {
  if (typeof value !== 'object' || value === null) return null;
  const said = value as Record<string, unknown>;
  if (said['_type'] !== 'histogram') return null;
  const counts = numbersOf(said['values']);
  const edges = said['bins'] === undefined ? packedEdges(said['packedBins']) : numbersOf(said['bins']);
  const odd = numbersOf([said['nan'], said['inf'], said['neg_inf']]).reduce((sum, n) => sum + (n || 0), 0);
  const isWhole = edges.length === counts.length + 1 && [...edges, ...counts].every(Number.isFinite);
  const isEmpty = !counts.some((n) => n > 0);
  return isWhole && !isEmpty ? { counts, edges, odd } : { counts: [], edges: [], odd };
}
