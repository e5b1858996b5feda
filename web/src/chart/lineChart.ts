/** One line chart on a canvas. The only file that imports uPlot, which draws axes, grid, crosshair and zoom box. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { PanelData, Series } from '../data/panelData';
import type { XAxis } from '../data/types';
import { drawSeries, type SeriesStyle } from './draw';
import {
  boundedRange,
  fractionsOf,
  wholeRange,
  xExtent,
  yExtent,
  yRange,
  type Bounds,
  type Range,
} from './extent';
import { axisTicks, fittingTicks, logTicks, type Ticks } from './ticks';
import { unitTicks } from './units';

export interface ChartView {
  data: PanelData;
  /** The zoom; null shows all. */
  range: Range | null;
  axis: XAxis;
  log: boolean;
  /** What y is in, and where its scale begins and ends. */
  scale: { unit: string; bounds: Bounds } | null;
  /** Colour and dash of a series; changes with theme and selection. */
  style: (series: Series) => SeriesStyle;
  /** The run that stands out; null for none. */
  highlight: string | null;
}

export interface ChartEvents {
  /** The pointer is over x (data units) at a place in CSS pixels of the plot, or has left (null). */
  hover: (x: number | null, left: number, top: number) => void;
  zoom: (range: Range) => void;
  reset: () => void;
}

const AXIS_FONT = '11px "Inter Variable", system-ui, sans-serif';
const X_AXIS_HEIGHT = 26;
const LABEL_PX = 6.4;
/** Right of the plot, where no label needs more. */
const LEAST_PADDING = 10;
/** What uPlot believes to draw: the series are drawn by ourselves. */
const UNIT_DATA: uPlot.AlignedData = [
  [0, 1],
  [0, 1],
];

const color = (name: string) => () =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Resolves when axis labels can be drawn in the right typeface. */
export const fontsReady: Promise<unknown> =
  typeof document === 'undefined' ? Promise.resolve() : document.fonts.load('11px "Inter Variable"');

let pen: CanvasRenderingContext2D | null = null;

/** CSS pixels of an axis label as it is drawn. */
function labelWidth(label: string): number {
  pen ??= document.createElement('canvas').getContext('2d') as CanvasRenderingContext2D;
  pen.font = AXIS_FONT;
  return pen.measureText(label).width;
}

export class LineChart {
  private plot: uPlot | null = null;
  private x: Range = [0, 1];
  private y: Range = [0, 1];
  /** Where a value lies on its axis, from 0 to 1. */
  private xFraction = fractionsOf([0, 1], false);
  private yFraction = fractionsOf([0, 1], false);
  /** Those of x, until what they depend on changes: they are asked for many times a picture. */
  private heldTicks: Ticks | null = null;
  private width = 0;
  private height = 0;

  constructor(
    private readonly host: HTMLElement,
    private view: ChartView,
    private readonly events: ChartEvents,
  ) {}

  /** Shows other data or another view. */
  update(view: ChartView): void {
    this.view = view;
    if (!this.plot) return;
    this.measure();
    this.plot.redraw(false, true);
  }

  /** CSS pixels of the whole chart. */
  resize(width: number, height: number): void {
    if (width === this.width && height === this.height) return;
    [this.width, this.height] = [width, height];
    this.heldTicks = null;
    if (this.plot) this.plot.setSize({ width, height });
    else this.build();
  }

  /** Puts the crosshair at x, or takes it away. */
  setCrosshair(x: number | null): void {
    const plot = this.plot;
    if (!plot) return;
    const inside = x !== null && x >= this.x[0] && x <= this.x[1];
    plot.setCursor({ left: inside ? plot.valToPos(this.xFraction(x), 'x') : -10, top: inside ? 0 : -10 });
  }

  /** Where a value lies in CSS pixels of the host element. */
  position(x: number, y: number): { left: number; top: number } | null {
    const plot = this.plot;
    if (!plot || !Number.isFinite(y)) return null;
    const { left, top, width, height } = this.plotBox;
    const at = { left: left + this.xFraction(x) * width, top: top + (1 - this.yFraction(y)) * height };
    const inside = at.left >= left - 1 && at.left <= left + width + 1 && at.top >= top - 1;
    return inside && at.top <= top + height + 1 ? at : null;
  }

  /** How far x is from the left edge of the host element, in CSS pixels; null when it is not on screen. */
  left(x: number): number | null {
    const { left, width } = this.plotBox;
    return x >= this.x[0] && x <= this.x[1] ? left + this.xFraction(x) * width : null;
  }

  /** The plot area in CSS pixels of the host element. */
  get plotBox(): { left: number; top: number; width: number; height: number } {
    const box = this.plot?.bbox ?? { left: 0, top: 0, width: 0, height: 0 };
    const ratio = devicePixelRatio;
    return {
      left: box.left / ratio,
      top: box.top / ratio,
      width: box.width / ratio,
      height: box.height / ratio,
    };
  }

  /** Where the host element is in the window. */
  get hostBox(): DOMRect {
    return this.host.getBoundingClientRect();
  }

  /** The x range on screen. */
  get range(): Range {
    return this.x;
  }

  destroy(): void {
    this.plot?.destroy();
    this.plot = null;
  }

  private measure(): void {
    const { data, range, log, scale } = this.view;
    this.x = range ?? xExtent(data) ?? [0, 1];
    this.heldTicks = null;
    let extent: Range | null = null;
    for (const { track } of data.series) {
      const own = yExtent(track, data.header, this.x, log);
      if (own) extent = extent ? [Math.min(extent[0], own[0]), Math.max(extent[1], own[1])] : own;
    }
    this.y = scale && !log ? boundedRange(extent, scale.bounds) : yRange(extent, log);
    this.xFraction = fractionsOf(this.x, false);
    this.yFraction = fractionsOf(this.y, log);
  }

  private build(): void {
    this.plot?.destroy();
    this.plot = null;
    if (this.width < 10 || this.height < 10) return;
    this.measure();
    this.plot = new uPlot(this.options(), UNIT_DATA, this.host);
  }

  private options(): uPlot.Options {
    const grid = { stroke: color('--chart-grid'), width: 1 };
    const shared = { font: AXIS_FONT, stroke: color('--chart-axis'), grid, ticks: { show: false } };
    return {
      width: this.width,
      height: this.height,
      padding: [8, () => this.rightPadding(), 0, 0],
      legend: { show: false },
      // uPlot knows fractions of the axes only: it gives up on axes of huge, tiny or very close numbers.
      scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
      series: [{}, { paths: () => null, points: { show: false } }],
      axes: [
        {
          ...shared,
          size: X_AXIS_HEIGHT,
          gap: 6,
          splits: () => this.ticks('x').at.map((value) => this.xFraction(value)),
          values: () => this.ticks('x').labels,
        },
        {
          ...shared,
          gap: 6,
          size: () => Math.max(36, 12 + LABEL_PX * Math.max(...this.ticks('y').labels.map((l) => l.length))),
          splits: () => this.ticks('y').at.map((value) => this.yFraction(value)),
          values: () => this.ticks('y').labels,
        },
      ],
      cursor: {
        y: false,
        points: { show: false },
        // Clicks are told apart from drags by who listens to them.
        drag: { x: true, y: false, setScale: false, dist: 4, click: () => undefined },
        // Not the hook `setCursor`: redrawing calls that too, on charts where no pointer is.
        bind: {
          mousemove: this.reporting,
          mouseleave: this.reporting,
          dblclick: () => () => {
            this.events.reset();
            return null;
          },
        },
      },
      hooks: {
        draw: [(plot) => this.draw(plot)],
        setSelect: [(plot) => this.selected(plot)],
      },
    };
  }

  private ticks(axis: 'x' | 'y'): Ticks {
    if (axis === 'y') {
      const count = Math.min(6, Math.max(2, Math.floor(this.height / 34)));
      if (this.view.log) return logTicks(...this.y, count);
      return unitTicks(...this.y, count, this.view.scale?.unit ?? '');
    }
    if (this.heldTicks) return this.heldTicks;
    const count = Math.min(6, Math.max(2, Math.floor(this.width / 56)));
    const room = this.plotBox.width || this.width * 0.8;
    const place = (value: number) => this.xFraction(value) * room;
    this.heldTicks = fittingTicks(
      (fewer) => axisTicks(this.view.axis, this.x, fewer),
      count,
      place,
      labelWidth,
    );
    return this.heldTicks;
  }

  /** As much as half of the widest label: the last tick may lie at the very edge of the plot. */
  private rightPadding(): number {
    const widest = Math.max(0, ...this.ticks('x').labels.map(labelWidth));
    return Math.max(LEAST_PADDING, Math.ceil(widest / 2) + 2);
  }

  private draw(plot: uPlot): void {
    const { data, style, highlight, log } = this.view;
    const ratio = devicePixelRatio;
    const { left, top, width, height } = plot.bbox;
    const bottom = top + height + 4 * ratio;
    const map = {
      x: (value: number) => left + this.xFraction(value) * width,
      // A log axis has no place for zero and below: the line leaves through the bottom.
      y: (value: number) =>
        log && value <= 0
          ? bottom
          : Math.min(1e6, Math.max(-1e6, top + (1 - this.yFraction(value)) * height)),
    };
    drawSeries(plot.ctx, data, { box: plot.bbox, range: this.x, map, ratio, style, highlight });
  }

  private selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const range: Range = [this.xAt(plot, left), this.xAt(plot, left + width)];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.events.zoom(wholeRange(range));
  }

  /** The x under a CSS pixel of the plot. */
  private xAt(plot: uPlot, left: number): number {
    return this.x[0] + plot.posToVal(left, 'x') * (this.x[1] - this.x[0]);
  }

  private readonly reporting: uPlot.Cursor.MouseListenerFactory = (plot, _target, handler) => (event) => {
    handler(event);
    const { left = -10, top = -10 } = plot.cursor;
    if (left < 0) this.events.hover(null, 0, 0);
    else this.events.hover(this.xAt(plot, left), left, top);
    return null;
  };
}
