/** Where the nodes and edges of a lineage lie: in columns from left to right. Knows nothing of what they are. */

/** Sizes in CSS pixels. */
export const NODE = { width: 208, height: 52 } as const;
const [COLUMN_GAP, ROW_GAP, MARGIN] = [72, 16, 12];
/** How high an edge passes through a column where it has no node. */
const PASS_HEIGHT = 16;
/** Times that the order within the columns is looked at again, left to right and back. */
const SWEEPS = 4;

export interface Edge {
  from: string;
  to: string;
}

export interface Placed {
  id: string;
  /** Of its upper left corner. */
  x: number;
  y: number;
  /** From the left, 0 is the first. */
  column: number;
}

export interface Layout<E extends Edge> {
  width: number;
  height: number;
  /** By column, and from above. */
  nodes: Placed[];
  /** With the `d` of an SVG path from one node to the other. */
  edges: (E & { path: string })[];
}

/** A node, or the place where an edge passes through a column. */
interface Slot {
  id: string;
  column: number;
  height: number;
  left: Slot[];
  right: Slot[];
  y: number;
}

/**
 * Lays out a graph: each edge leads to the right, those that close a circle to the left. Edges whose ends are no
 * nodes are left out.
 */
export function layoutOf<E extends Edge>(ids: readonly string[], given: readonly E[]): Layout<E> {
  const known = new Set(ids);
  const edges = given.filter(({ from, to }) => known.has(from) && known.has(to) && from !== to);
  const back = closing(ids, edges);
  const ways = edges.map((edge) => (back.has(edge) ? { from: edge.to, to: edge.from } : edge));
  const columns = columnsOf(ids, ways);
  const slots = new Map(ids.map((id) => [id, slotAt(id, columns.get(id) ?? 0, NODE.height)]));
  const chains = ways.map((way) => chainOf(slots.get(way.from) as Slot, slots.get(way.to) as Slot));
  const all = [...slots.values(), ...chains.flatMap((chain) => chain.slice(1, -1))];
  const grid = ordered(all);
  const height = place(grid);
  const x = (column: number) => MARGIN + column * (NODE.width + COLUMN_GAP);
  return {
    width: Math.max(0, grid.length * (NODE.width + COLUMN_GAP) - COLUMN_GAP) + 2 * MARGIN,
    height,
    nodes: grid.flatMap((slots) =>
      slots.filter(({ id }) => id !== '').map(({ id, column, y }) => ({ id, x: x(column), y, column })),
    ),
    edges: edges.map((edge, i) => ({ ...edge, path: pathOf(chains[i] as Slot[], x, back.has(edge)) })),
  };
}

const slotAt = (id: string, column: number, height: number): Slot => ({
  ...{ id, column, height, left: [], right: [], y: 0 },
});

function byEnd<E extends Edge>(edges: readonly E[], end: keyof Edge): Map<string, E[]> {
  const groups = new Map<string, E[]>();
  for (const edge of edges) {
    const group = groups.get(edge[end]);
    if (group) group.push(edge);
    else groups.set(edge[end], [edge]);
  }
  return groups;
}

/** The edges without which there is no circle. */
function closing<E extends Edge>(ids: readonly string[], edges: readonly E[]): Set<E> {
  const out = byEnd(edges, 'from');
  const found = new Set<E>();
  const state = new Map<string, 'open' | 'done'>();
  for (const start of ids) {
    // As deep as the graph: not by calls of a function.
    const path = state.has(start) ? [] : [{ id: start, next: 0 }];
    if (path.length) state.set(start, 'open');
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const edge: E | undefined = out.get(top.id)?.[top.next];
      top.next += 1;
      if (!edge) {
        state.set(top.id, 'done');
        path.pop();
      } else if (state.get(edge.to) === 'open') found.add(edge);
      else if (!state.has(edge.to)) {
        state.set(edge.to, 'open');
        path.push({ id: edge.to, next: 0 });
      }
    }
  }
  return found;
}

/** The column of each node: right of all that lead to it, and where nothing does, just before what it leads to. */
function columnsOf(ids: readonly string[], ways: readonly Edge[]): Map<string, number> {
  const [into, out] = [byEnd(ways, 'to'), byEnd(ways, 'from')];
  const columns = new Map(ids.map((id) => [id, 0]));
  const missing = new Map(ids.map((id) => [id, into.get(id)?.length ?? 0]));
  const ready = ids.filter((id) => missing.get(id) === 0);
  for (let id = ready.pop(); id !== undefined; id = ready.pop())
    for (const { to } of out.get(id) ?? []) {
      columns.set(to, Math.max(columns.get(to) ?? 0, (columns.get(id) ?? 0) + 1));
      const left = (missing.get(to) ?? 0) - 1;
      missing.set(to, left);
      if (left === 0) ready.push(to);
    }
  for (const id of ids) {
    const next = (out.get(id) ?? []).map(({ to }) => columns.get(to) ?? 0);
    if (!into.has(id) && next.length) columns.set(id, Math.min(...next) - 1);
  }
  return columns;
}

/** From one slot to another, with a slot in each column between. */
function chainOf(from: Slot, to: Slot): Slot[] {
  const chain = [from];
  for (let column = from.column + 1; column < to.column; column++)
    chain.push(slotAt('', column, PASS_HEIGHT));
  chain.push(to);
  for (const [i, slot] of chain.entries()) {
    const next = chain[i + 1];
    if (!next) break;
    slot.right.push(next);
    next.left.push(slot);
  }
  return chain;
}

/** The slots by column, in an order in which few edges cross: each near the middle of its neighbours. */
function ordered(slots: readonly Slot[]): Slot[][] {
  const grid: Slot[][] = [];
  for (const slot of slots) (grid[slot.column] ??= []).push(slot);
  const rank = new Map<Slot, number>();
  const note = (column: readonly Slot[]) => column.forEach((slot, i) => rank.set(slot, i));
  grid.forEach(note);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const side = sweep % 2 === 0 ? 'left' : 'right';
    for (const column of sweep % 2 === 0 ? grid : [...grid].reverse()) {
      const middle = new Map(
        column.map((slot, i) => [
          slot,
          slot[side].length
            ? slot[side].reduce((total, other) => total + (rank.get(other) ?? 0), 0) / slot[side].length
            : i,
        ]),
      );
      column.sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0));
      note(column);
    }
  }
  return grid;
}

/** Gives each slot its height on the plane; the columns are centred. Returns the height of all. */
function place(grid: readonly Slot[][]): number {
  const heights = grid.map((slots) =>
    slots.reduce((total, { height }) => total + height + ROW_GAP, -ROW_GAP),
  );
  const most = Math.max(0, ...heights);
  for (const [i, slots] of grid.entries()) {
    let y = MARGIN + (most - (heights[i] as number)) / 2;
    for (const slot of slots) {
      slot.y = y;
      y += slot.height + ROW_GAP;
    }
  }
  return most + 2 * MARGIN;
}

/** Of an edge that leads back, the ends are a little lower: it may lie beside one that leads on. */
const BACK_SHIFT = 10;

function pathOf(chain: readonly Slot[], x: (column: number) => number, isBack: boolean): string {
  const shift = isBack ? BACK_SHIFT : 0;
  const sides = chain.map((slot) => ({
    left: x(slot.column),
    right: x(slot.column) + NODE.width,
    y: slot.y + slot.height / 2 + (slot.id ? shift : 0),
  }));
  const way = isBack ? sides.reverse() : sides;
  const [enter, leave] = isBack ? (['right', 'left'] as const) : (['left', 'right'] as const);
  const parts: string[] = [];
  for (const [i, now] of way.entries()) {
    const next = way[i + 1];
    if (i === 0) parts.push(`M${now[leave]},${now.y}`);
    else if (next) parts.push(`H${now[leave]}`);
    if (!next) break;
    const middle = (now[leave] + next[enter]) / 2;
    parts.push(`C${middle},${now.y} ${middle},${next.y} ${next[enter]},${next.y}`);
  }
  return parts.join(' ');
}
