/** How molecules are drawn, and what their files are. */

export const LOOKS = {
  cartoon: { cartoon: { color: 'spectrum' } },
  stick: { stick: { radius: 0.15 }, sphere: { scale: 0.25 } },
  sphere: { sphere: {} },
  line: { line: {} },
} as const;
export type MoleculeLook = keyof typeof LOOKS;

/** What 3Dmol calls a file of that name; text unless said. */
export function formatOf(path: string): { format: string; isBinary: boolean } {
  const suffix = (path.split('.').at(-1) ?? '').toLowerCase();
  const names: Readonly<Record<string, string>> = { mmcif: 'cif', mcif: 'cif', sd: 'sdf' };
  return { format: names[suffix] ?? suffix, isBinary: suffix === 'mmtf' };
}
