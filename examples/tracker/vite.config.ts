import react from '@vitejs/plugin-react';
import { defaultClientConditions, defineConfig } from 'vite';

const packages = ['client', 'protocol', 'react'].map((name) => `@holdfast/${name}`);

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  // The other packages are bundled from their sources; none of them needs to be built first.
  resolve: { conditions: ['@holdfast/source', ...defaultClientConditions] },
  // On the server there is one of each, with this page and without it.
  ssr: {
    resolve: { conditions: ['@holdfast/source'], externalConditions: ['@holdfast/source'] },
    external: [...packages, 'react', 'react-dom', 'zod'],
  },
  build: { target: 'es2023', sourcemap: true, modulePreload: { polyfill: false } },
});
