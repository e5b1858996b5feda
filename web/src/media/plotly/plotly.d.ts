declare module 'plotly.js-strict-dist-min' {
  interface Plotly {
    newPlot(
      root: HTMLElement,
      data: unknown[],
      layout: Record<string, unknown>,
      config: Record<string, unknown>,
    ): Promise<unknown>;
    purge(root: HTMLElement): void;
  }
  const plotly: Plotly;
  // eslint-disable-next-line no-restricted-exports -- as the package has it
  export default plotly;
}
