import react from '@vitejs/plugin-react';
import { defaultClientConditions, defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  // A proxy may serve the console below a path of its own.
  base: './',
  // The other packages are bundled from their sources; none of them needs to be built first.
  resolve: { conditions: ['@holdfast/source', ...defaultClientConditions] },
  build: { target: 'es2023', sourcemap: true, modulePreload: { polyfill: false } },
});
