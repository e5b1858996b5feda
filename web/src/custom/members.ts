/** Objects and maps with others of their members. */

export function without<T extends object, K extends keyof T>(value: T, ...names: readonly K[]): Omit<T, K> {
  const gone: readonly PropertyKey[] = names;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !gone.includes(name))) as Omit<T, K>;
}

/** What stands under a name that people chose: nothing that every object has. */
export const own = <V>(value: Readonly<Record<string, V>>, name: string): V | undefined =>
  Object.hasOwn(value, name) ? value[name] : undefined;

export const emptyMap = <K, V>(): ReadonlyMap<K, V> => new Map();
export const withEntry = <K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> =>
  new Map(map).set(key, value);
