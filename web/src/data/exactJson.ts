/** JSON of what people logged, read without losing a digit. */

/**
 * A number with the text that the server gave it, where a JavaScript number would read otherwise: integers
 * beyond 2^53, floats without a fraction (`1.0`), `-0.0`, other spellings of an exponent.
 */
export class Exact {
  constructor(readonly text: string) {}
}

/** Commas and colons only separate: without them the rest still reads in one way. */
const TOKEN = /[{}[\]]|"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+/gs;
/** Members and columns that hold what people logged; the other numbers are the server's own, and small. */
const LOGGED = /^((last_step|cells)$|(config|summary|metadata)(\.|$))/;

/** As `JSON.parse`, but a number of a config, summary, metadata or last step that would lose something is an {@link Exact}; of a text that somebody `logged`, any number. */
export function parseExact(text: string, logged = false): unknown {
  const tokens = text.match(TOKEN) ?? [];
  let at = 0;
  const next = (): string => {
    const token = tokens[at++];
    if (token === undefined) throw new SyntaxError('the JSON ends too early');
    return token;
  };
  const read = (token: string, isLogged: boolean): unknown => {
    if (token === '[') {
      const items: unknown[] = [];
      for (let item = next(); item !== ']'; item = next()) items.push(read(item, isLogged));
      return items;
    }
    if (token === '{') {
      const members: [string, unknown][] = [];
      for (let item = next(); item !== '}'; item = next()) {
        const name = JSON.parse(item) as string;
        members.push([name, read(next(), isLogged || LOGGED.test(name))]);
      }
      return Object.fromEntries(members);
    }
    const value: unknown = JSON.parse(token);
    return isLogged && typeof value === 'number' && String(value) !== token ? new Exact(token) : value;
  };
  const value = read(next(), logged);
  if (at < tokens.length) throw new SyntaxError('there is more than one JSON value');
  return value;
}

/** The nearest number of a logged number; null for any other value. */
export function numberOf(value: unknown): number | null {
  if (value instanceof Exact) return Number(value.text);
  return typeof value === 'number' ? value : null;
}

/** Any logged value in one line, every digit of it; text is bare unless it is inside a list. */
export function exactText(value: unknown): string {
  return typeof value === 'string' ? value : jsonText(value);
}

function jsonText(value: unknown): string {
  if (value instanceof Exact) return value.text;
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const members = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${jsonText(item)}`);
  return `{${members.join(',')}}`;
}
