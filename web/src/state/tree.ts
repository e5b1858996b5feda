/** Nested config and summary as a list of leaves. */
import { Exact } from '../data/exactJson';

export interface Leaf {
  path: string[];
  value: unknown;
}

/** Leaves in the order of the tree; an empty object is a leaf, lists are values. */
export function flattenTree(tree: Record<string, unknown>): Leaf[] {
  const leaves: Leaf[] = [];
  const walk = (node: unknown, path: string[]): void => {
    const nested =
      typeof node === 'object' && node !== null && !Array.isArray(node) && !(node instanceof Exact);
    const entries = nested ? Object.entries(node) : [];
    if (path.length > 0 && entries.length === 0) leaves.push({ path, value: node });
    for (const [name, child] of entries) walk(child, [...path, name]);
  };
  walk(tree, []);
  return leaves;
}

/** A run's config as the program wrote it: without what says how charts are drawn. */
export function ownConfig(config: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => key !== '_wandb'));
}
