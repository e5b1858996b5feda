/** Draws samples of many devices on a canvas: a row each, its colour from dark to bright. */
import type { Series } from '../data/panelData';
import type { XAxis } from '../data/types';
import { shareColor } from '../state/colors';
import type { Bounds, Range } from './extent';
import { heatCells } from './heat';
import { axisTicks, fittingTicks, niceStep } from './ticks';

/** Left of the rows, for their numbers. */
export const LABELS_PX = 34;
export const AXIS_FONT = '11px "Inter Variable", system-ui, sans-serif';
/** As many as the eye tells apart. */
const SHADES = 101;
/** Rows whose numbers would touch have none. */
const LABEL_HEIGHT = 12;

export interface HeatView {
  rows: readonly Series[];
  names: readonly string[];
  range: Range;
  axis: XAxis;
  bounds: Bounds;
  /** CSS pixels: of all, and of the rows without the axis below. */
  width: number;
  height: number;
  columnPx: number;
  axisPx: number;
}

/** CSS pixels of a row: many rows are thin. */
export function rowHeight(rows: number): number {
  if (rows <= 24) return 16;
  if (rows <= 64) return 10;
  return rows <= 128 ? 6 : Math.max(2, Math.floor(576 / rows));
}

/** The empty canvas in a size in CSS pixels, sharp on its screen. */
export function sizedContext(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
): CanvasRenderingContext2D {
  const ratio = devicePixelRatio;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const ctx = canvas.getContext('2d') as CanvasRenderingContext2D;
  ctx.scale(ratio, ratio);
  return ctx;
}

export function drawHeat(canvas: HTMLCanvasElement, view: HeatView): void {
  const { width, height, axisPx } = view;
  const ctx = sizedContext(canvas, width, height + axisPx);
  drawCells(ctx, view);
  const styles = getComputedStyle(document.documentElement);
  ctx.font = AXIS_FONT;
  ctx.fillStyle = styles.getPropertyValue('--chart-axis').trim();
  drawLabels(ctx, view);
  drawAxis(ctx, view);
}

function drawCells(
  ctx: CanvasRenderingContext2D,
  { rows, range, bounds, width, height, columnPx }: HeatView,
): void {
  const plotWidth = width - LABELS_PX;
  const columns = Math.max(1, Math.floor(plotWidth / columnPx));
  const { values } = heatCells(rows, range, columns);
  const [low, high] = [bounds[0] ?? 0, bounds[1] ?? 1];
  const cell = height / Math.max(1, rows.length);
  // A hairline between rows, where they are high enough to lose one.
  const gap = cell >= 6 ? 1 : 0;
  const columnWidth = plotWidth / columns;
  // On whole pixels of the screen, so that no seam is seen.
  const edge = (column: number) =>
    Math.round((LABELS_PX + column * columnWidth) * devicePixelRatio) / devicePixelRatio;
  const shades = Array.from({ length: SHADES }, (_, i) => `rgb(${shareColor(i / (SHADES - 1)).join(' ')})`);
  const shadeAt = (row: number, column: number): number => {
    const share = ((values[row * columns + column] as number) - low) / (high - low);
    return Number.isNaN(share) ? -1 : Math.round(Math.min(1, Math.max(0, share)) * (SHADES - 1));
  };
  for (let row = 0; row < rows.length; row++) {
    let column = 0;
    while (column < columns) {
      const [from, shade] = [column, shadeAt(row, column)];
      // Neighbours that look the same are one rectangle.
      do column++;
      while (column < columns && shadeAt(row, column) === shade);
      if (shade < 0) continue;
      ctx.fillStyle = shades[shade] as string;
      ctx.fillRect(edge(from), row * cell, edge(column) - edge(from), cell - gap);
    }
  }
}

function drawLabels(ctx: CanvasRenderingContext2D, { rows, names, height }: HeatView): void {
  const cell = height / Math.max(1, rows.length);
  const each = Math.max(1, niceStep(LABEL_HEIGHT / cell));
  ctx.textAlign = 'right';
  ctx.textBaseline = 'middle';
  names.forEach((name, row) => {
    if (row % each !== 0) return;
    const number = /\d+/.exec(name)?.[0] ?? String(row);
    ctx.fillText(number, LABELS_PX - 8, row * cell + Math.max(6, cell / 2));
  });
}

/** The ticks of x below a picture that begins `labelsPx` from the left. */
export function drawAxis(
  ctx: CanvasRenderingContext2D,
  { range, axis, width, height, axisPx }: Pick<HeatView, 'range' | 'axis' | 'width' | 'height' | 'axisPx'>,
  labelsPx = LABELS_PX,
): void {
  const plotWidth = width - labelsPx;
  const place = (value: number) => labelsPx + ((value - range[0]) / (range[1] - range[0])) * plotWidth;
  const widthOf = (label: string) => ctx.measureText(label).width;
  const count = Math.min(8, Math.max(2, Math.floor(plotWidth / 90)));
  const ticks = fittingTicks((fewer) => axisTicks(axis, range, fewer), count, place, widthOf);
  ctx.textAlign = 'center';
  ctx.textBaseline = 'alphabetic';
  ticks.at.forEach((value, i) => {
    const label = ticks.labels[i] as string;
    const half = widthOf(label) / 2;
    ctx.fillText(label, Math.min(width - half, place(value)), height + axisPx - 8);
  });
}
