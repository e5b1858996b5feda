/** What is typed as a regex over runs: which texts the server is not asked about, since it must refuse them. */

const MOST_BYTES = 1000;
/** Letters that mean something after a backslash, in Rust's crate `regex`. */
const ESCAPES = 'dDsSwWpPbBAzaftnrvxuU';
const HEX_DIGITS: Record<string, number> = { x: 2, u: 4, U: 8 };
const FLAGS = /^\(\?[a-zA-Z-]+\)/;
const GROUP = /^\((?!\?)|^\(\?(?:P?<[^>]+>|[a-zA-Z-]*:)/;
const LOOK_AROUND = /^\(\?<?[=!]/;
/** Not looked into: comments of the verbose mode, and classes with a range that ends in a bracket. */
const TOO_HARD = /\(\?[a-zA-Z]*x[a-zA-Z-]*[:)]|-\[/;

/**
 * Why a text is no regex, or not yet; null when it may be one. The server has Rust's crate `regex`, which takes
 * other texts than a JavaScript `RegExp`: only what is no regex there has a hint, but not all of it.
 */
export function regexHint(text: string): string | null {
  if (new TextEncoder().encode(text).length > MOST_BYTES) return 'longer than 1,000 bytes';
  if (TOO_HARD.test(text)) return null;
  let depth = 0;
  let repeatable = false;
  for (let at = 0; at < text.length;) {
    const char = text.charAt(at);
    let length = 1;
    let hint: string | null = null;
    if (char === '\\') {
      hint = escapeHint(text, at);
      length = 2;
    } else if (char === '[') {
      const end = classEnd(text, at);
      if (typeof end === 'string') return end;
      length = end - at;
    } else if (char === '(') {
      const rest = text.slice(at);
      if (LOOK_AROUND.test(rest)) return 'look-around is not supported';
      const opened = FLAGS.exec(rest) ?? GROUP.exec(rest);
      if (!opened) return 'a group is not closed';
      if (!FLAGS.test(rest)) depth++;
      length = opened[0].length;
    } else if (char === ')') {
      if (--depth < 0) return 'a ) has no (';
    } else if ('*+?{'.includes(char)) {
      const end = char === '{' ? text.indexOf('}', at) : at;
      if (!repeatable) hint = `nothing before ${char} to repeat`;
      else if (end < 0) hint = 'a { is not closed';
      length = end - at + 1;
    }
    if (hint !== null) return hint;
    repeatable = char !== '(' && char !== '|';
    at += length;
  }
  return depth > 0 ? 'a group is not closed' : null;
}

function escapeHint(text: string, at: number): string | null {
  const char = text.charAt(at + 1);
  if (char === '') return 'a \\ ends it';
  if (/\d/.test(char)) return 'back-references are not supported';
  if (/[a-zA-Z]/.test(char) && !ESCAPES.includes(char)) return `\\${char} means nothing`;
  const rest = text.slice(at + 2);
  const digits = HEX_DIGITS[char];
  const whole = digits === undefined ? /^./s : new RegExp(`^([0-9a-fA-F]{${digits}}|\\{[0-9a-fA-F]+\\})`);
  return (digits !== undefined || /[pP]/.test(char)) && !whole.test(rest)
    ? `\\${char} is not finished`
    : null;
}

/** Where a class that begins at `at` has ended, or why it does not. */
function classEnd(text: string, at: number): number | string {
  let depth = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === '\\') {
      const hint = escapeHint(text, at);
      if (hint !== null) return hint;
      at += 2;
    } else if (char === '[') {
      depth++;
      // A ] that comes first is one of the characters.
      at += /^\[\^?\]?/.exec(text.slice(at))?.[0].length ?? 1;
    } else {
      at++;
      if (char === ']' && --depth === 0) return at;
    }
  }
  return 'a [ is not closed';
}
