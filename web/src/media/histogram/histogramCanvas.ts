/** Draws histograms over steps: a column each, the darker the denser, with the lines of percentiles. */
import { AXIS_FONT, drawAxis, sizedContext } from '../../chart/heatCanvas';
import { linearTicks } from '../../chart/ticks';
import { fractionsOf, type Range } from '../../chart/extent';
import { densityOf, PERCENTILES, type Column } from './columns';

export const LABELS_PX = 44;
export const AXIS_PX = 22;

export interface HistogramView {
  columns: readonly Column[];
  /** Of steps and of values. */
  range: Range;
  values: Range;
  most: number;
  /** CSS pixels: of all, and of the plot without the axis. */
  width: number;
  height: number;
}

/** From where to where each column is drawn: to the next one, and the last as wide as usual. */
export function columnEdges(columns: readonly Column[], [from, to]: Range): [number, number][] {
  const usual = columns.length > 1 ? (to - from) / columns.length : to - from;
  return columns.map(({ step }, i) => {
    const next = columns[i + 1]?.step ?? step + usual;
    return [step, Math.min(to, next)];
  });
}

export function drawHistograms(canvas: HTMLCanvasElement, view: HistogramView): void {
  const { columns, range, values, most, width, height } = view;
  const ctx = sizedContext(canvas, width, height + AXIS_PX);
  const styles = getComputedStyle(document.documentElement);
  const token = (name: string) => styles.getPropertyValue(name).trim();
  const x = (step: number) => LABELS_PX + ((step - range[0]) / (range[1] - range[0])) * (width - LABELS_PX);
  const fraction = fractionsOf(values, false);
  const y = (value: number) => height - fraction(value) * height;
  const sharp = (px: number) => Math.round(px * devicePixelRatio) / devicePixelRatio;

  const ticks = linearTicks(values[0], values[1], 4);
  ctx.strokeStyle = token('--chart-grid');
  for (const at of ticks.at) {
    ctx.beginPath();
    ctx.moveTo(LABELS_PX, y(at));
    ctx.lineTo(width, y(at));
    ctx.stroke();
  }
  ctx.fillStyle = token('--accent');
  columnEdges(columns, range).forEach(([from, to], i) => {
    const column = columns[i] as Column;
    const [left, right] = [sharp(x(from)), Math.max(sharp(x(from)) + 1, sharp(x(to)))];
    for (let bin = 0; bin < column.counts.length; bin++) {
      const density = densityOf(column, bin);
      if (density <= 0) continue;
      const [top, bottom] = [
        sharp(y(column.edges[bin + 1] as number)),
        sharp(y(column.edges[bin] as number)),
      ];
      // The root shows thin tails beside a sharp peak.
      ctx.globalAlpha = 0.06 + 0.94 * Math.sqrt(density / most);
      ctx.fillRect(left, top, right - left, Math.max(1 / devicePixelRatio, bottom - top));
    }
  });
  ctx.globalAlpha = 1;
  drawPercentiles(ctx, view, x, y, token('--text-1'));

  ctx.font = AXIS_FONT;
  ctx.fillStyle = token('--chart-axis');
  ctx.textAlign = 'right';
  ctx.textBaseline = 'middle';
  ticks.at.forEach((at, i) => {
    const place = Math.min(height - 6, Math.max(6, y(at)));
    ctx.fillText(ticks.labels[i] as string, LABELS_PX - 6, place);
  });
  drawAxis(ctx, { range, axis: 'step', width, height, axisPx: AXIS_PX }, LABELS_PX);
}

function drawPercentiles(
  ctx: CanvasRenderingContext2D,
  { columns, range }: HistogramView,
  x: (step: number) => number,
  y: (value: number) => number,
  color: string,
): void {
  const middles = columnEdges(columns, range).map(([from, to]) => (from + to) / 2);
  ctx.strokeStyle = color;
  PERCENTILES.forEach((name, line) => {
    ctx.globalAlpha = name === 'p50' ? 0.9 : 0.5;
    ctx.lineWidth = name === 'p50' ? 1.5 : 1;
    ctx.setLineDash(name === 'p01' || name === 'p99' ? [2, 3] : []);
    ctx.beginPath();
    let isOpen = false;
    columns.forEach(({ percentiles }, i) => {
      const value = percentiles[line] as number;
      if (!Number.isFinite(value)) return void (isOpen = false);
      const at = [x(middles[i] as number), y(value)] as const;
      if (isOpen) ctx.lineTo(...at);
      else ctx.moveTo(...at);
      isOpen = true;
    });
    ctx.stroke();
  });
  ctx.globalAlpha = 1;
  ctx.setLineDash([]);
}
