/** The tab of a run's page and what its tabs show, as query parameters. */
import type { LogLevel, LogStream } from '../data/types';
import { readMoment, writeMoment, type Moment } from './moment';
import { joinList, readZoom, splitList, writeQuery } from './urlState';

export const TABS = [
  { id: 'overview', name: 'Overview' },
  { id: 'charts', name: 'Charts' },
  { id: 'system', name: 'System' },
  { id: 'logs', name: 'Logs' },
  { id: 'media', name: 'Media' },
  { id: 'tables', name: 'Tables' },
  { id: 'files', name: 'Files' },
  { id: 'artifacts', name: 'Artifacts' },
] as const;
export type RunTab = (typeof TABS)[number]['id'];

export interface RunView {
  tab: RunTab;
  /** Of the samples, which have no steps. */
  systemX: 'wall' | 'relative';
  /** In milliseconds, as `systemX` counts them; null shows all. */
  systemZoom: [number, number] | null;
  /** Groups of samples that are folded. */
  systemFolds: string[];
  /** Devices of which more is shown than of the others. */
  devices: string[];
  /** The key of the enlarged panel. */
  panel: string | null;
  /** What is searched for in the output: a text, or `/regex/`. */
  logSearch: string;
  /** Whether upper and lower case differ in that. */
  logCase: boolean;
  logStream: LogStream;
  logLevel: LogLevel;
  /** Null for the first that printed something. */
  logLabel: string | null;
  logTime: LogTime;
  /** Whether long lines are broken. */
  logWrap: boolean;
  /** The marked moment of the charts and the output. */
  at: Moment | null;
  /** The chosen file, as `writer/name`. */
  file: string | null;
}

export type LogTime = 'off' | 'relative' | 'clock';
const STREAMS = ['all', 'out', 'err'] as const;
const LEVELS = ['all', 'error', 'warn', 'info', 'debug'] as const;
const TIMES = ['off', 'relative', 'clock'] as const;

/** The tab of an address that names none. */
const DEFAULT_TAB: RunTab = 'charts';

/** Reads a query string. Values that make no sense fall back on the default. */
export function decodeRunView(query: string): RunView {
  const params = new URLSearchParams(query);
  return {
    tab: TABS.find(({ id }) => id === params.get('tab'))?.id ?? DEFAULT_TAB,
    systemX: params.get('sx') === 'wall' ? 'wall' : 'relative',
    systemZoom: readZoom(params.get('sz')),
    systemFolds: splitList(params.get('sf') ?? ''),
    devices: splitList(params.get('dev') ?? ''),
    panel: params.get('panel'),
    logSearch: params.get('lq') ?? '',
    logCase: params.get('lc') === '1',
    logStream: STREAMS.find((stream) => stream === params.get('ls')) ?? 'all',
    logLevel: LEVELS.find((level) => level === params.get('lv')) ?? 'all',
    logLabel: params.get('ll'),
    logTime: TIMES.find((time) => time === params.get('lt')) ?? 'off',
    logWrap: params.get('lw') === '1',
    at: readMoment(params.get('at')),
    file: params.get('file'),
  };
}

/** Writes a query string (with `?`, or empty). Other parameters of `previous` stay. */
export function encodeRunView(view: RunView, previous = ''): string {
  return writeQuery(
    {
      tab: view.tab === DEFAULT_TAB ? null : view.tab,
      sx: view.systemX === 'relative' ? null : view.systemX,
      sz: view.systemZoom?.join(':') ?? null,
      sf: view.systemFolds.length ? joinList(view.systemFolds) : null,
      dev: view.devices.length ? joinList(view.devices) : null,
      panel: view.panel,
      lq: view.logSearch || null,
      lc: view.logCase ? '1' : null,
      ls: view.logStream === 'all' ? null : view.logStream,
      lv: view.logLevel === 'all' ? null : view.logLevel,
      ll: view.logLabel,
      lt: view.logTime === 'off' ? null : view.logTime,
      lw: view.logWrap ? '1' : null,
      at: view.at && writeMoment(view.at),
      file: view.file,
    },
    previous,
  );
}
