/** The page on screen, under whatever prefix the server is mounted. */
import { routeOf, type Route } from './routes';

/** The address for `href`: a path below the prefix, made absolute. */
export function href(path: string): string {
  return prefix() + path;
}

const prefix = (): string => new URL(document.baseURI).pathname.replace(/\/$/, '');

function below(pathname: string): string {
  const start = prefix();
  return pathname.startsWith(start) ? pathname.slice(start.length) || '/' : pathname;
}

class Router {
  route = $state.raw<Route>({ page: 'missing' });
  /** The query string with its `?`, or empty. */
  search = $state('');
  /** The fragment with its `#`, or empty: a line of output. */
  hash = $state('');

  start(): void {
    const read = () => {
      this.route = routeOf(below(location.pathname));
      this.search = location.search;
      this.hash = location.hash;
    };
    read();
    addEventListener('popstate', read);
    document.addEventListener('click', (event) => this.clicked(event));
  }

  /** Goes to a path below the prefix. */
  go(path: string): void {
    history.pushState(null, '', href(path));
    const url = new URL(location.href);
    this.route = routeOf(below(url.pathname));
    this.search = url.search;
    this.hash = url.hash;
    scrollTo(0, 0);
  }

  /** Changes the query of this page: a step of Back when `push`, in place while typing or dragging. */
  setSearch(search: string, push: boolean, hash = ''): void {
    if (search === this.search && hash === this.hash) return;
    const url = location.pathname + search + hash;
    if (push) history.pushState(null, '', url);
    else history.replaceState(null, '', url);
    this.search = search;
    this.hash = hash;
  }

  private clicked(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey)
      return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.target || link.origin !== location.origin || link.hasAttribute('download')) return;
    if (link.dataset['external'] !== undefined) return;
    event.preventDefault();
    this.go(below(link.pathname) + link.search + link.hash);
  }
}

export const router = new Router();
