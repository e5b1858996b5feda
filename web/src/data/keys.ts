/** Keys as the server spells them: path segments joined by `.`, with `\` and `.` escaped inside a segment. */

/** Splits an escaped key into its path segments, unescaped. */
export function keySegments(key: string): string[] {
  const segments: string[] = [];
  let current = '';
  for (let i = 0; i < key.length; i++) {
    const char = key.charAt(i);
    if (char === '\\' && i + 1 < key.length) {
      current += key.charAt(++i);
    } else if (char === '.') {
      segments.push(current);
      current = '';
    } else {
      current += char;
    }
  }
  segments.push(current);
  return segments;
}

/** Joins path segments into an escaped key: the inverse of {@link keySegments}. */
export function joinKey(segments: readonly string[]): string {
  return segments.map((segment) => segment.replaceAll('\\', '\\\\').replaceAll('.', '\\.')).join('.');
}

/** A text as it is, or quoted when there would be nothing to see. */
export function visibleText(text: string): string {
  return /^[\s\p{C}\p{Z}]*$/u.test(text) ? JSON.stringify(text) : text;
}

/** The key as people logged it: segments joined by dots, without escapes; quoted when it is only white space. */
export function displayKey(key: string): string {
  return visibleText(key.includes('\\') ? keySegments(key).join('.') : key);
}

/** Of each key how it is shown: as people logged it, or as the server spells it where two would look the same. */
export function displayKeys(keys: readonly string[]): string[] {
  const looks = keys.map(displayKey);
  for (;;) {
    const seen = new Set<string>();
    const doubles = new Set(looks.filter((look) => seen.has(look) || !seen.add(look)));
    // A key that is spelled out may look as another one does without its signs.
    const unclear = looks.flatMap((look, i) => (doubles.has(look) && look !== keys[i] ? [i] : []));
    if (unclear.length === 0) return looks;
    for (const i of unclear) looks[i] = keys[i] as string;
  }
}
