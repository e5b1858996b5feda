/** Light or dark: the system's choice until the user makes one. */

export type Theme = 'light' | 'dark';
const STORED = 'steplog-theme';

class ThemeState {
  current = $state<Theme>(document.documentElement.dataset['theme'] === 'dark' ? 'dark' : 'light');

  constructor() {
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (event) => {
      if (localStorage.getItem(STORED) === null) this.apply(event.matches ? 'dark' : 'light');
    });
  }

  toggle(): void {
    const next = this.current === 'dark' ? 'light' : 'dark';
    localStorage.setItem(STORED, next);
    this.apply(next);
  }

  private apply(theme: Theme): void {
    // Before the state: canvases read the new colours in their effects.
    document.documentElement.dataset['theme'] = theme;
    this.current = theme;
  }
}

export const theme = new ThemeState();
