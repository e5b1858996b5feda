/** What there is to look at of each kind of object: where its pictures come from is in a folder of its own. */
import type { Component } from 'svelte';
import type { MediaItem } from '../data/media';

/** What an item's viewer is given; it is gone when the item is out of sight. */
export interface ViewerProps {
  item: MediaItem;
  /** Of what its file holds. */
  sha256: string;
}

export interface Kind {
  /** What one is called, in the middle of a sentence. */
  noun: string;
  /** CSS pixels of a viewer's height; it is kept while there is none. */
  height: number;
  /** Null for what is drawn of all steps, or has a grid of its own. */
  load: (() => Promise<{ default: Component<ViewerProps> }>) | null;
}

const IMAGE: Kind = { noun: 'image', height: 160, load: null };
const HISTOGRAM: Kind = { noun: 'histogram', height: 180, load: null };
const VIDEO: Kind = { noun: 'video', height: 230, load: () => import('./video/VideoView.svelte') };
const AUDIO: Kind = { noun: 'sound', height: 132, load: () => import('./audio/AudioView.svelte') };
const PAGE: Kind = { noun: 'page', height: 300, load: () => import('./page/PageView.svelte') };
const PLOTLY: Kind = { noun: 'figure', height: 340, load: () => import('./plotly/PlotlyView.svelte') };
const OBJECT: Kind = { noun: '3-D object', height: 340, load: () => import('./object3d/ObjectView.svelte') };
const MOLECULE: Kind = {
  noun: 'molecule',
  height: 340,
  load: () => import('./molecule/MoleculeView.svelte'),
};
const GRAPH: Kind = { noun: 'graph', height: 260, load: () => import('./graph/GraphView.svelte') };
const FILE: Kind = { noun: 'file', height: 64, load: () => import('./file/FileCard.svelte') };

/** By `_type`, of lists as of single ones. */
const KINDS: Readonly<Record<string, Kind>> = {
  'image-file': IMAGE,
  'images/separated': IMAGE,
  histogram: HISTOGRAM,
  'video-file': VIDEO,
  videos: VIDEO,
  'audio-file': AUDIO,
  audio: AUDIO,
  'html-file': PAGE,
  html: PAGE,
  'bokeh-file': PAGE,
  'plotly-file': PLOTLY,
  plotly: PLOTLY,
  'object3D-file': OBJECT,
  object3D: OBJECT,
  'molecule-file': MOLECULE,
  molecule: MOLECULE,
  'graph-file': GRAPH,
};

/** Those of tables, which have a page of their own. */
const TABLES = /table/;

export const kindOf = (type: string): Kind => KINDS[type] ?? FILE;
export const isImage = (type: string): boolean => kindOf(type) === IMAGE;
export const isHistogram = (type: string): boolean => kindOf(type) === HISTOGRAM;
export const isTable = (type: string): boolean => TABLES.test(type);
