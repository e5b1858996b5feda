/** JSON that people write: read with the line of each member, and refused with the line of what is wrong. */
import type { Json } from '../data/chartData';

export class SpecError extends Error {
  constructor(
    message: string,
    /** From 1 on. */
    readonly line: number,
  ) {
    super(message);
  }
}

export interface ReadSpec {
  value: Json;
  /** The lines on which a text stands, as a member's name or as a value. */
  linesOf: ReadonlyMap<string, number>;
  /** The line of what stands at a JSON pointer. */
  places: ReadonlyMap<string, number>;
}

const BLANK = /[ \t\r\n]*/y;
const TOKEN = /"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/y;
/** Deeper, no specification is; and no recursion comes to its end. */
const MOST_LEVELS = 200;

class Reader {
  private at = 0;
  private last = 0;
  private counted = { to: 0, line: 1 };
  readonly linesOf = new Map<string, number>();
  readonly places = new Map<string, number>();

  constructor(private readonly text: string) {}

  /** Places are asked for as they come, but for those of what is missing. */
  private lineOf(place: number): number {
    if (place < this.counted.to) this.counted = { to: 0, line: 1 };
    for (let i = this.counted.to; i < place; i++) if (this.text[i] === '\n') this.counted.line++;
    this.counted.to = place;
    return this.counted.line;
  }

  private fail(what: string, place = this.last): never {
    throw new SpecError(what, this.lineOf(place));
  }

  /** The next token, empty at the end. */
  next(): string {
    BLANK.lastIndex = this.at;
    this.at += BLANK.exec(this.text)?.[0].length ?? 0;
    const before = this.last;
    this.last = this.at;
    if (this.at >= this.text.length) {
      // What is missing at the end is missing behind the last thing.
      this.last = before;
      return '';
    }
    TOKEN.lastIndex = this.at;
    const token = TOKEN.exec(this.text)?.[0];
    if (token === undefined) {
      const word =
        /^("[^\n]*|[^\s,:{}[\]]+)/.exec(this.text.slice(this.at))?.[0] ?? this.text.charAt(this.at);
      this.fail(
        word.startsWith('"')
          ? 'A text has no closing quote, or a line break in it'
          : `Unexpected ${word.slice(0, 40)}`,
      );
    }
    this.at += token.length;
    return token;
  }

  private string(token: string): string {
    try {
      const text = JSON.parse(token) as string;
      if (!this.linesOf.has(text)) this.linesOf.set(text, this.lineOf(this.last));
      return text;
    } catch {
      return this.fail('A text has an escape that JSON does not know, or a control character');
    }
  }

  value(token: string, level = 0, path = ''): Json {
    this.places.set(path, this.lineOf(this.last));
    if (level > MOST_LEVELS) this.fail('Too many objects and lists in one another');
    if (token === '{') return this.object(level, path);
    if (token === '[') return this.list(level, path);
    if (token.startsWith('"')) return this.string(token);
    if (token === '') this.fail('The text ends too early');
    if (/^[}\],:]$/.test(token)) this.fail(`A value is missing before ${token}`);
    return JSON.parse(token) as Json;
  }

  private object(level: number, path: string): Json {
    const members: [string, Json][] = [];
    let token = this.next();
    while (token !== '}') {
      if (!token.startsWith('"'))
        this.fail(`A member's name in quotes is missing${token && ` before ${token}`}`);
      const name = this.string(token);
      if (this.next() !== ':') this.fail(`A colon is missing behind "${name}"`);
      const member = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      members.push([name, this.value(this.next(), level + 1, member)]);
      token = this.separator('}');
    }
    return Object.fromEntries(members);
  }

  private list(level: number, path: string): Json {
    const items: Json[] = [];
    let token = this.next();
    while (token !== ']') {
      items.push(this.value(token, level + 1, `${path}/${items.length}`));
      token = this.separator(']');
    }
    return items;
  }

  /** Behind an item: the end, or what follows the comma. */
  private separator(end: '}' | ']'): string {
    const token = this.next();
    if (token === end) return token;
    if (token !== ',')
      this.fail(
        token ? `A comma or ${end} is missing before ${token.slice(0, 40)}` : `${end} is missing at the end`,
      );
    const after = this.next();
    if (after === end) this.fail(`A comma stands before ${end}`);
    return after;
  }
}

/**
 * Reads JSON.
 *
 * @throws SpecError where it is none.
 */
export function readSpec(text: string): ReadSpec {
  const reader = new Reader(text);
  const value = reader.value(reader.next());
  const rest = reader.next();
  if (rest !== '')
    throw new SpecError(
      `Something stands behind the end: ${rest.slice(0, 40)}`,
      text.trimEnd().split('\n').length,
    );
  return { value, linesOf: reader.linesOf, places: reader.places };
}

/** The line that a message of Vega means: that of the first text in quotes that stands in the specification. */
export function lineOfMessage(message: string, linesOf: ReadonlyMap<string, number>): number | null {
  for (const [, text] of message.matchAll(/"((?:[^"\\]|\\.)*)"/g)) {
    const line = linesOf.get(text as string);
    if (line !== undefined) return line;
  }
  return null;
}
