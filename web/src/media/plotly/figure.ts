/** A logged figure of Plotly: data and nothing else. */

type Members = Record<string, unknown>;
export interface Figure {
  data: unknown[];
  layout: Members;
}

const membersOf = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};

const LOOKS = {
  light: { text: '#454d5b', grid: '#e7eaf0' },
  dark: { text: '#b4bcc9', grid: '#272e3a' },
} as const;

/** What a figure says of no colour of its own: those of the page, in the dark also before those of Plotly's templates. */
function templateOf(given: Members, dark: boolean): Members {
  const { text, grid } = LOOKS[dark ? 'dark' : 'light'];
  const layout = membersOf(given['layout']);
  const axis = { gridcolor: grid, zerolinecolor: grid, linecolor: grid };
  const scene = membersOf(layout['scene']);
  const wall = { backgroundcolor: 'transparent', gridcolor: grid, zerolinecolor: grid };
  const own = {
    paper_bgcolor: 'transparent',
    plot_bgcolor: 'transparent',
    font: { ...membersOf(layout['font']), color: text },
    xaxis: { ...membersOf(layout['xaxis']), ...axis },
    yaxis: { ...membersOf(layout['yaxis']), ...axis },
    scene: {
      ...scene,
      ...Object.fromEntries(
        ['xaxis', 'yaxis', 'zaxis'].map((name) => [name, { ...membersOf(scene[name]), ...wall }]),
      ),
    },
  };
  return { ...given, layout: dark ? { ...layout, ...own } : { ...own, ...layout } };
}

/**
 * Reads its file; settings of the page that it may bring along are left out.
 *
 * @throws SyntaxError when it is no JSON, TypeError when it is no figure.
 */
export function figureOf(text: string, dark: boolean): Figure {
  const file = membersOf(JSON.parse(text));
  const { data } = file;
  if (!Array.isArray(data)) throw new TypeError('The file is no figure of Plotly.');
  const layout = membersOf(file['layout']);
  const margin = { l: 48, r: 16, t: layout['title'] ? 48 : 16, b: 40 };
  const template = templateOf(membersOf(layout['template']), dark);
  return { data: data as unknown[], layout: { margin, ...layout, template } };
}
