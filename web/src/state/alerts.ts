/** What a run told people: which of it is new, and how urgent it is. */
import type { Alert } from '../data/types';

export type AlertKind = 'info' | 'warn' | 'error';

/** Which kind a level is; a level that is not known is an information. */
export function alertKind({ level }: Pick<Alert, 'level'>): AlertKind {
  const name = level.toUpperCase();
  return name === 'ERROR' ? 'error' : name.startsWith('WARN') ? 'warn' : 'info';
}

/** The most urgent kind; null without any alert. */
export function worstKind(alerts: readonly Alert[]): AlertKind | null {
  const kinds = alerts.map(alertKind);
  return (['error', 'warn', 'info'] as const).find((kind) => kinds.includes(kind)) ?? null;
}

/** What tells an alert from the others. */
export const alertKey = ({ title, text, level, time }: Alert): string =>
  JSON.stringify([time, level, title, text]);

/** Those that were not there before, the earliest first. */
export function newAlerts(before: readonly Alert[], now: readonly Alert[]): Alert[] {
  const known = new Set(before.map(alertKey));
  return now.filter((alert) => !known.has(alertKey(alert)) && known.add(alertKey(alert))).reverse();
}
