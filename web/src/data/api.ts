/** The server's HTTP API. The only file that calls `fetch`; every path is relative to `document.baseURI`. */
import type { ChartAnswer, ChartQuery, LoggedChart, SavedPanel, Spec } from './chartData';
import { decodeArrow, decodeJson } from './arrow';
import { parseExact } from './exactJson';
import { bytesText } from './bytesText';
import type { HistogramAnswer, HistogramsQuery, MediaIndex, MediaItem } from './media';
import type { PanelFrame } from './panelData';
import type {
  KeyInfo,
  LineAt,
  LogMatches,
  LogsAnswer,
  LogSource,
  PanelHeader,
  PanelQuery,
  Project,
  Run,
  RunFile,
  RunsAnswer,
  RunsQuery,
  Session,
  StepAt,
  SystemHost,
} from './types';
import type { LoggedTable, TableAnswer, TableQuery } from './tables';

const ARROW = 'application/vnd.apache.arrow.stream';

/** The server refused, or could not be reached (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly detail: string,
    readonly requestId: string | null = null,
    /** Of a field of the request: where it is wrong, in characters. */
    readonly position: number | null = null,
    /** Which field of the request is wrong. */
    readonly field: string | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** Called on each 401, so that the shell can show how to log in. */
let unauthorized = (): void => undefined;
export function onUnauthorized(callback: () => void): void {
  unauthorized = callback;
}

/** The absolute URL of an API path. */
export function apiUrl(path: string): URL {
  return new URL(`api/v1/${path}`, document.baseURI);
}

/** The server's details begin in small letters, as what follows a colon; here they stand alone. */
function asSentence(detail: string): string {
  return detail.charAt(0).toUpperCase() + detail.slice(1);
}

async function problemOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  let [title, detail] = [response.statusText || `HTTP ${response.status}`, ''];
  let position: number | null = null;
  let field: string | null = null;
  if (response.headers.get('Content-Type')?.includes('json')) {
    const problem = JSON.parse(text) as {
      title?: string;
      detail?: string;
      position?: number;
      field?: string;
    };
    position = problem.position ?? null;
    field = problem.field ?? null;
    title = problem.title ?? title;
    detail = asSentence(problem.detail ?? '');
  }
  return new ApiError(response.status, title, detail, response.headers.get('X-Request-Id'), position, field);
}

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(apiUrl(path), { credentials: 'same-origin', ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The server cannot be reached', error instanceof Error ? error.message : '');
  }
  if (response.ok) return response;
  if (response.status === 401) unauthorized();
  throw await problemOf(response);
}

export async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return (await (await request(path, init)).json()) as T;
}

/** JSON that holds what people logged. */
export async function exactJson<T>(path: string, init?: RequestInit): Promise<T> {
  return parseExact(await (await request(path, init)).text()) as T;
}

const post = (body: unknown, signal?: AbortSignal | null, accept = 'application/json'): RequestInit => ({
  method: 'POST',
  body: JSON.stringify(body),
  headers: { 'Content-Type': 'application/json', Accept: accept },
  signal: signal ?? null,
});

export interface ProjectRef {
  entity: string;
  project: string;
}

export const projectPath = ({ entity, project }: ProjectRef): string =>
  `projects/${encodeURIComponent(entity)}/${encodeURIComponent(project)}`;
export const runPath = (ref: ProjectRef, run: string): string =>
  `${projectPath(ref)}/runs/${encodeURIComponent(run)}`;

export const getSession = (): Promise<Session> => json<Session>('session');

/** Ends this browser's session, and its live channels. */
export const logOut = async (): Promise<void> => void (await request('logout', { method: 'POST' }));

export const getProjects = async (): Promise<Project[]> =>
  (await json<{ projects: Project[] }>('projects')).projects;

export const queryRuns = (ref: ProjectRef, query: RunsQuery, signal?: AbortSignal): Promise<RunsAnswer> =>
  exactJson<RunsAnswer>(`${projectPath(ref)}/runs:query`, post(query, signal));

export const getRun = (ref: ProjectRef, run: string): Promise<Run> => exactJson<Run>(runPath(ref, run));

export const getProjectKeys = async (ref: ProjectRef): Promise<KeyInfo[]> =>
  (await json<{ keys: KeyInfo[] }>(`${projectPath(ref)}/keys`)).keys;

export const getRunKeys = async (ref: ProjectRef, run: string): Promise<KeyInfo[]> =>
  (await json<{ keys: KeyInfo[] }>(`${runPath(ref, run)}/keys`)).keys;

export const getSystemLayout = async (ref: ProjectRef, run: string): Promise<SystemHost[]> =>
  (await json<{ hosts: SystemHost[] }>(`${runPath(ref, run)}/system/layout`)).hosts;

export const getRunFiles = async (ref: ProjectRef, run: string): Promise<RunFile[]> =>
  (await json<{ files: RunFile[] }>(`${runPath(ref, run)}/files`)).files;

/** Path of a file's content; of the writer that logged it. */
export const runFilePath = (ref: ProjectRef, run: string, { name, writer }: RunFile): string =>
  `${runPath(ref, run)}/files/${name.split('/').map(encodeURIComponent).join('/')}?writer=${encodeURIComponent(writer)}`;

/** A file as text, `most` bytes of it; those that are none are replaced. */
export const getRunFile = async (
  ref: ProjectRef,
  run: string,
  file: RunFile,
  most: number,
): Promise<string> => {
  const isBegin = file.size > most;
  const headers: HeadersInit = isBegin ? { Range: `bytes=0-${most - 1}` } : {};
  const response = await request(runFilePath(ref, run, file), { headers });
  return bytesText(new Uint8Array(await response.arrayBuffer()), isBegin);
};

/** A file's bytes. */
export const getRunBlob = async (ref: ProjectRef, run: string, file: RunFile): Promise<Blob> =>
  await (await request(runFilePath(ref, run, file))).blob();

/** Path of something of a run's output, `what` being `logs`, `logs:search`, `logs/at` or `logs.txt`. */
export function logsPath(
  ref: ProjectRef,
  run: string,
  what: string,
  { label, stream, level }: LogSource,
  more: Readonly<Record<string, string | number>> = {},
): string {
  const asked = new URLSearchParams({ stream });
  if (label !== null) asked.set('label', label);
  if (level !== 'all') asked.set('level', level);
  for (const [name, value] of Object.entries(more)) asked.set(name, String(value));
  return `${runPath(ref, run)}/${what}?${asked.toString()}`;
}

/** Lines from a place on; a negative `from` counts from the end. */
export const getLogs = (
  ref: ProjectRef,
  run: string,
  source: LogSource,
  page: { from: number; limit: number; raw?: 1 },
  signal?: AbortSignal,
): Promise<LogsAnswer> =>
  json<LogsAnswer>(logsPath(ref, run, 'logs', source, page), { signal: signal ?? null });

/** Times are sent as the server takes them: without an exponent. */
const millisText = (millis: number): string => millis.toFixed(6).replace(/\.?0+$/, '');

/** The line that was begun nearest to a time in epoch milliseconds. */
export const getLineAt = (ref: ProjectRef, run: string, source: LogSource, wall: number): Promise<LineAt> =>
  json<LineAt>(logsPath(ref, run, 'logs/at', source, { wall: millisText(wall) }));

/** What a step is looked for by: the last one up to a time, or up to a step, of a key and a writer or all. */
export interface StepAsked {
  wall?: number;
  step?: number;
  key?: string;
  label?: string;
}

export const getStepAt = (ref: ProjectRef, run: string, asked: StepAsked): Promise<StepAt> => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked))
    query.set(name, name === 'wall' ? millisText(value as number) : String(value));
  return json<StepAt>(`${runPath(ref, run)}/steps/at?${query.toString()}`);
};

export interface LogQuery {
  q: string;
  regex: boolean;
  /** Whether upper and lower case differ. */
  case: boolean;
}

/** More matches than this are counted, and not named. */
export const MOST_MATCHES = 5000;

/** The matches from a line on, or the last ones up to a line. */
export type MatchRange = { from: number } | { to: number };

export const searchLogs = (
  ref: ProjectRef,
  run: string,
  source: LogSource,
  query: LogQuery,
  wanted: MatchRange,
  signal?: AbortSignal,
): Promise<LogMatches> =>
  json<LogMatches>(
    logsPath(ref, run, 'logs:search', source, {
      q: query.q,
      regex: Number(query.regex),
      case: Number(query.case),
      limit: MOST_MATCHES,
      ...wanted,
    }),
    { signal: signal ?? null },
  );

export const getTables = async (ref: ProjectRef, run: string): Promise<LoggedTable[]> =>
  (await json<{ tables: LoggedTable[] }>(`${runPath(ref, run)}/tables`)).tables;

export const queryTable = (ref: ProjectRef, query: TableQuery, signal?: AbortSignal): Promise<TableAnswer> =>
  exactJson<TableAnswer>(`${projectPath(ref)}/tables:query`, post(query, signal));

export interface SeriesAnswer {
  /** The project's data version; null when the server does not say. */
  version: number | null;
  frames: PanelFrame[];
}

/** All panels in one request; frames come back in the order of `panels`. */
export async function querySeries(
  ref: ProjectRef,
  panels: readonly PanelQuery[],
  signal?: AbortSignal,
): Promise<SeriesAnswer> {
  const response = await request(`${projectPath(ref)}/series:query`, post({ panels }, signal, ARROW));
  const stated = response.headers.get('X-Data-Version');
  const version = stated === null ? null : Number(stated);
  if (response.headers.get('Content-Type')?.startsWith(ARROW))
    return { version, frames: decodeArrow(new Uint8Array(await response.arrayBuffer())) };
  const answer = (await response.json()) as {
    version?: number;
    panels: (PanelHeader & { columns: Record<string, unknown[]> })[];
  };
  return { version: version ?? answer.version ?? null, frames: decodeJson(answer.panels) };
}

/** At which steps these runs have images and the like, of these keys or of all. */
export const queryMediaIndex = (
  ref: ProjectRef,
  ids: readonly string[],
  keys: readonly string[] | null = null,
): Promise<MediaIndex> => json<MediaIndex>(`${projectPath(ref)}/media:index`, post({ runs: { ids }, keys }));

/** What a key has at a step: `limit` items of each run, from `offset` on. */
export const queryMediaItems = async (
  ref: ProjectRef,
  asked: { runs: readonly string[]; keys: readonly string[]; steps: readonly number[] },
  { offset, limit }: { offset: number; limit: number },
): Promise<MediaItem[]> => {
  const body = { ...asked, runs: { ids: asked.runs }, offset, limit };
  return (await json<{ items: MediaItem[] }>(`${projectPath(ref)}/media:items`, post(body))).items;
};

export const queryHistograms = (
  ref: ProjectRef,
  query: HistogramsQuery,
  signal?: AbortSignal,
): Promise<HistogramAnswer> =>
  json<HistogramAnswer>(`${projectPath(ref)}/histograms:query`, post(query, signal));

/** The custom charts that these runs have logged. */
export const getCharts = async (ref: ProjectRef, ids: readonly string[]): Promise<LoggedChart[]> =>
  (await json<{ charts: LoggedChart[] }>(`${projectPath(ref)}/charts:index`, post({ runs: { ids } }))).charts;

export const queryChartData = (
  ref: ProjectRef,
  query: ChartQuery,
  ids: readonly string[],
  signal?: AbortSignal,
): Promise<ChartAnswer> =>
  json<ChartAnswer>(`${projectPath(ref)}/chartdata:query`, post({ ...query, runs: { ids } }, signal));

const keptPath = (ref: ProjectRef, what: 'chart-presets' | 'chart-panels', name: string): string =>
  `${projectPath(ref)}/${what}/${encodeURIComponent(name)}`;
const put = (body: unknown): RequestInit => ({ ...post(body), method: 'PUT' });

/** How single charts of a project are drawn, by their keys. */
export const getChartPanels = async (ref: ProjectRef): Promise<SavedPanel[]> =>
  (await json<{ panels: SavedPanel[] }>(`${projectPath(ref)}/chart-panels`)).panels;
export const putChartPanel = async (
  ref: ProjectRef,
  key: string,
  panel: Readonly<Record<string, unknown>>,
): Promise<void> => void (await request(keptPath(ref, 'chart-panels', key), put({ panel })));
export const deleteChartPanel = async (ref: ProjectRef, key: string): Promise<void> =>
  void (await request(keptPath(ref, 'chart-panels', key), { method: 'DELETE' }));

/** The names of the presets of a project. */
export const getChartPresets = async (ref: ProjectRef): Promise<string[]> =>
  (await json<{ presets: { name: string }[] }>(`${projectPath(ref)}/chart-presets`)).presets.map(
    ({ name }) => name,
  );
export const getChartPreset = async (ref: ProjectRef, name: string): Promise<Spec> =>
  (await json<{ spec: Spec }>(keptPath(ref, 'chart-presets', name))).spec;
export const putChartPreset = async (ref: ProjectRef, name: string, spec: Spec): Promise<void> =>
  void (await request(keptPath(ref, 'chart-presets', name), put({ spec })));

/** The address of a content: `w` asks for a thumbnail, `as` for a page or drawing in a sandbox. */
export function blobUrl(sha256: string, asked: { w?: number; as?: 'html' | 'svg' } = {}): string {
  const query = new URLSearchParams(Object.entries(asked).map(([name, value]) => [name, String(value)]));
  return apiUrl(`blobs/${sha256}${query.size ? `?${query}` : ''}`).href;
}

/** A content as text, the first `most` bytes of it; or as bytes. */
export const getBlobText = async (sha256: string, most?: number): Promise<string> => {
  const headers: HeadersInit = most === undefined ? {} : { Range: `bytes=0-${most - 1}` };
  return await (await request(`blobs/${sha256}`, { headers })).text();
};
export const getBlobBytes = async (sha256: string): Promise<ArrayBuffer> =>
  await (await request(`blobs/${sha256}`)).arrayBuffer();
