/** The layers of a logged graph. */

export interface GraphNode {
  name: string;
  kind: string;
  shape: string;
  parameters: number | null;
}

const textOf = (value: unknown): string =>
  value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);

/**
 * Reads the file of a graph.
 *
 * @throws SyntaxError when it is no JSON, TypeError when it has no list of nodes.
 */
export function nodesOf(text: string): GraphNode[] {
  const file = JSON.parse(text) as { nodes?: unknown } | null;
  if (!Array.isArray(file?.nodes)) throw new TypeError('The file has no list of nodes.');
  return file.nodes.map((one: unknown) => {
    const node = (typeof one === 'object' && one !== null ? one : {}) as Record<string, unknown>;
    const parameters = node['num_parameters'];
    return {
      name: textOf(node['name'] ?? node['id']),
      kind: textOf(node['class_name']),
      shape: textOf(node['output_shape'] ?? node['size']),
      parameters: typeof parameters === 'number' ? parameters : null,
    };
  });
}
