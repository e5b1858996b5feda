/** Draws ridges: the last step in front, below; the others behind it, upwards. */
import { AXIS_FONT, sizedContext } from '../../chart/heatCanvas';
import { fractionsOf } from '../../chart/extent';
import { linearTicks } from '../../chart/ticks';
import { formatStep } from '../../chart/format';
import type { Column } from './columns';
import { greatestOf, outlineOf } from './ridges';

export const LABELS_PX = 44;
export const AXIS_PX = 22;
/** How much higher than the distance of two ridges a peak may be. */
const OVERLAP = 2.5;

export interface RidgeView {
  /** In the order of steps. */
  columns: readonly Column[];
  values: readonly [number, number];
  /** CSS pixels: of all, and of the plot without the axis. */
  width: number;
  height: number;
  /** The place of the one that stands out. */
  marked: number | null;
}

/** CSS pixels from above of each ridge's foot, and how high the greatest density is. */
export function feetOf(count: number, height: number): { feet: number[]; peak: number } {
  const pitch = height / (count - 1 + OVERLAP);
  return {
    feet: Array.from({ length: count }, (_, i) => height - (count - 1 - i) * pitch),
    peak: pitch * OVERLAP,
  };
}

export function drawRidges(canvas: HTMLCanvasElement, view: RidgeView): void {
  const { columns, values, width, height, marked } = view;
  const ctx = sizedContext(canvas, width, height + AXIS_PX);
  const styles = getComputedStyle(document.documentElement);
  const token = (name: string) => styles.getPropertyValue(name).trim();
  const fraction = fractionsOf(values, false);
  const x = (value: number) => LABELS_PX + fraction(value) * (width - LABELS_PX);
  const { feet, peak } = feetOf(columns.length, height);
  const most = greatestOf(columns) || 1;
  columns.forEach((column, i) => {
    const foot = feet[i] as number;
    const outline = outlineOf(column);
    ctx.beginPath();
    // The root shows thin tails beside a sharp peak.
    for (const [value, density] of outline) ctx.lineTo(x(value), foot - Math.sqrt(density / most) * peak);
    ctx.closePath();
    ctx.fillStyle = token('--surface');
    ctx.fill();
    ctx.globalAlpha = i === marked ? 0.75 : 0.3;
    ctx.fillStyle = token('--accent');
    ctx.fill();
    ctx.globalAlpha = 1;
    ctx.strokeStyle = token('--accent');
    ctx.lineWidth = i === marked ? 2 : 1;
    ctx.stroke();
  });
  ctx.font = AXIS_FONT;
  ctx.fillStyle = token('--chart-axis');
  ctx.textAlign = 'right';
  ctx.textBaseline = 'alphabetic';
  const every = Math.max(1, Math.ceil(columns.length / Math.max(1, Math.floor(height / 14))));
  columns.forEach(({ step }, i) => {
    // The last one has its name, and those at even distances before it.
    if ((columns.length - 1 - i) % every === 0)
      ctx.fillText(formatStep(step), LABELS_PX - 6, feet[i] as number);
  });
  const ticks = linearTicks(values[0], values[1], Math.max(2, Math.floor(width / 90)));
  ctx.textAlign = 'center';
  ctx.textBaseline = 'top';
  ticks.at.forEach((at, i) =>
    ctx.fillText(ticks.labels[i] as string, Math.min(width - 14, x(at)), height + 6),
  );
}
