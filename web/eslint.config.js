import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

const config = ts.config(
  { ignores: ['node_modules/', 'coverage/', 'dist/'] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  ...svelte.configs.prettier,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig } },
    // Our links go through one helper that resolves against document.baseURI; SvelteKit's resolve() is not here.
    rules: { 'svelte/no-navigation-without-resolve': 'off' },
  },
  {
    files: ['src/**/*.{ts,svelte}'],
    rules: {
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true } }],
      'no-console': 'error',
    },
  },
  {
    // One file imports uPlot, one calls fetch: the rest of the code can be read without them.
    files: ['src/**/*.{ts,svelte}'],
    ignores: ['src/chart/lineChart.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: ['uplot'] }] },
  },
  {
    files: ['src/**/*.{ts,svelte}'],
    ignores: ['src/data/api.ts'],
    rules: { 'no-restricted-globals': ['error', 'fetch'] },
  },
);
export { config as default };
