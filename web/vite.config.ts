/** How the dashboard is built: hashed files in the server's static folder, each with .br and .gz beside it. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

const OUT = fileURLToPath(new URL('../python/steplog/server/static', import.meta.url));
/** Already compressed by their format, or rewritten per response (index.html holds a nonce). */
const LEAVE_PLAIN = /\.(woff2|png|br|gz)$|index\.html$/;

function compressed(): Plugin {
  return {
    name: 'steplog-compressed',
    apply: 'build',
    async closeBundle() {
      const files = await readdir(OUT, { recursive: true, withFileTypes: true });
      await Promise.all(
        files
          .filter((file) => file.isFile() && !LEAVE_PLAIN.test(file.name))
          .map(async (file) => {
            const path = join(file.parentPath, file.name);
            const bytes = await readFile(path);
            const quality = { [constants.BROTLI_PARAM_QUALITY]: 11 };
            await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, { params: quality }));
            await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
          }),
      );
    },
  };
}

const backend = process.env['STEPLOG_BACKEND'];

export default defineConfig({
  base: './',
  // Its own entry is the unminified build for old browsers.
  resolve: { alias: [{ find: /^3dmol$/, replacement: '3dmol/build/3Dmol.es6-min.js' }] },
  worker: { format: 'es' },
  plugins: [svelte(), compressed()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // What every page starts with is one chunk, whose name the size check knows.
        codeSplitting: { groups: [{ name: 'index', tags: ['$initial'] }] },
      },
    },
  },
  ...(backend && { server: { proxy: { '/api': { target: backend, ws: true }, '/login': backend } } }),
});
