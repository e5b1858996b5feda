/** Draws the series of a chart on a canvas: exact envelope, line, points, and signs for NaN and infinities. */
import type { PanelData, Series } from '../data/panelData';
import { marksOf, type Range } from './extent';
import { traceBuckets, traceGroup, traceRaw, type Dots, type Mapping } from './m4';

export interface SeriesStyle {
  color: string;
  dash: readonly number[];
}

export interface DrawView {
  box: { left: number; top: number; width: number; height: number };
  range: Range;
  map: Mapping;
  /** Device pixels per CSS pixel. */
  ratio: number;
  style: (series: Series) => SeriesStyle;
  highlight: string | null;
}

const FADED = 0.25;
/** The envelope is paler than the line of the means, and still a visible stroke at one pixel. */
const ENVELOPE_ALPHA = 0.55;
const SEAM_ALPHA = 0.8;
/** The range of a group: filled, and outlined so that a bucket between gaps is seen as well. */
const BAND_ALPHA = 0.14;
const OUTLINE_ALPHA = 0.4;
/** Logged values have their own dots when there is this much room for each, in CSS pixels. */
const ROOM_FOR_DOTS = 9;

/** Draws all series, the highlighted run last so that it lies on top. */
export function drawSeries(ctx: CanvasRenderingContext2D, data: PanelData, view: DrawView): void {
  const { box, highlight } = view;
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top - view.ratio, box.width, box.height + 2 * view.ratio);
  ctx.clip();
  ctx.lineJoin = 'round';
  ctx.lineCap = 'butt';
  const ordered =
    highlight === null
      ? data.series
      : [...data.series].sort((a, b) => Number(a.meta.run === highlight) - Number(b.meta.run === highlight));
  for (const series of ordered) drawSeams(ctx, series, view);
  for (const series of ordered) drawOne(ctx, data, series, view);
  ctx.restore();
  ctx.save();
  for (const series of ordered) drawMarks(ctx, series, view);
  ctx.restore();
}

/** Between neighbours, on average, in device pixels. */
function distanceOf(dots: Dots): number {
  const gaps = dots.length / 2 - 1;
  return gaps < 1 ? Infinity : ((dots.at(-2) as number) - (dots[0] as number)) / gaps;
}

/** Dots must leave enough of a dashed line to see its dashes. */
function roomForDots(dash: readonly number[]): number {
  const period = dash.reduce((sum, length) => sum + length, 0);
  return Math.max(ROOM_FOR_DOTS, 2 * period);
}

function drawOne(ctx: CanvasRenderingContext2D, data: PanelData, series: Series, view: DrawView): void {
  const { ratio, highlight, range, map } = view;
  const { color, dash } = view.style(series);
  const stands = series.meta.run === highlight;
  const alpha = highlight !== null && !stands ? FADED : 1;
  const line = new Path2D();
  let dots: Dots;
  if (series.track.kind === 'raw') {
    const { alone, all } = traceRaw(series.track, range, map, line);
    dots = distanceOf(all) >= roomForDots(dash) * ratio ? all : alone;
  } else {
    const spread = new Path2D();
    const isGroup = series.track.kind === 'group';
    dots = isGroup
      ? traceGroup(series.track, data.header, range, map, { band: spread, line })
      : traceBuckets(series.track, data.header, range, map, { envelope: spread, line });
    ctx.strokeStyle = ctx.fillStyle = color;
    ctx.lineWidth = ratio;
    ctx.setLineDash([]);
    ctx.globalAlpha = alpha * BAND_ALPHA;
    if (isGroup) ctx.fill(spread);
    ctx.globalAlpha = alpha * (isGroup ? OUTLINE_ALPHA : ENVELOPE_ALPHA);
    ctx.stroke(spread);
  }
  ctx.globalAlpha = alpha;
  ctx.strokeStyle = color;
  ctx.fillStyle = color;
  ctx.lineWidth = (stands ? 2.5 : 1.5) * ratio;
  ctx.setLineDash(dash.map((length) => length * ratio));
  ctx.stroke(line);
  ctx.beginPath();
  for (let i = 0; i < dots.length; i += 2) {
    const [x, y] = [dots[i] as number, dots[i + 1] as number];
    ctx.moveTo(x + 2.25 * ratio, y);
    ctx.arc(x, y, 2.25 * ratio, 0, 2 * Math.PI);
  }
  ctx.fill();
}

/** A dotted vertical hairline where a series goes on from what was before; lines lie over it. */
function drawSeams(ctx: CanvasRenderingContext2D, series: Series, view: DrawView): void {
  const { box, map, ratio, highlight, range } = view;
  const seams = (series.meta.seams ?? []).filter((step) => step >= range[0] && step <= range[1]);
  if (seams.length === 0) return;
  ctx.globalAlpha = highlight !== null && series.meta.run !== highlight ? FADED : SEAM_ALPHA;
  ctx.strokeStyle = view.style(series).color;
  ctx.lineWidth = ratio;
  ctx.setLineDash([ratio, 3 * ratio]);
  ctx.beginPath();
  for (const step of seams) {
    const x = Math.round(map.x(step)) + 0.5;
    ctx.moveTo(x, box.top);
    ctx.lineTo(x, box.top + box.height);
  }
  ctx.stroke();
}

/** ▲ at the top for +Inf, ▼ at the bottom for −Inf, ✕ above the bottom for NaN; one per pixel column. */
function drawMarks(ctx: CanvasRenderingContext2D, series: Series, view: DrawView): void {
  const { box, map, ratio, highlight } = view;
  const size = 4 * ratio;
  const seen = new Set<string>();
  ctx.globalAlpha = highlight !== null && series.meta.run !== highlight ? FADED : 1;
  ctx.strokeStyle = ctx.fillStyle = view.style(series).color;
  ctx.lineWidth = 1.75 * ratio;
  ctx.setLineDash([]);
  ctx.beginPath();
  const triangles = new Path2D();
  for (const mark of marksOf(series, view.range)) {
    const x = map.x(mark.x);
    const column = `${mark.sign}${Math.round(x / size)}`;
    if (seen.has(column)) continue;
    seen.add(column);
    if (mark.sign === 'nan') {
      const y = box.top + box.height - size - 2 * ratio;
      ctx.moveTo(x - size, y - size);
      ctx.lineTo(x + size, y + size);
      ctx.moveTo(x + size, y - size);
      ctx.lineTo(x - size, y + size);
    } else {
      const up = mark.sign === 'up';
      const tip = up ? box.top : box.top + box.height;
      const base = up ? tip + 1.7 * size : tip - 1.7 * size;
      triangles.moveTo(x, tip);
      triangles.lineTo(x - size, base);
      triangles.lineTo(x + size, base);
      triangles.closePath();
    }
  }
  ctx.stroke();
  ctx.fill(triangles);
}
