import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'
import { catalogues } from './catalogues'
import { besideHubbub } from './dev-server'
import { emojiData } from './emoji-data'
import { entryBudget } from './entry-budget'

export default defineConfig({
  // Django serves the build under STATIC_URL and finds the hashed names in the manifest.
  base: '/static/',
  plugins: [vue(), catalogues(), emojiData(), entryBudget(), besideHubbub(process.env.HUBBUB_URL ?? 'http://127.0.0.1:8000')],
  build: {
    outDir: 'dist',
    manifest: 'manifest.json',
    target: ['chrome111', 'firefox121', 'safari16.4'],
    // The content security policy has no data: outside images, so nothing may be inlined.
    assetsInlineLimit: 0,
    rollupOptions: { input: ['src/main.ts', 'src/account.ts', 'src/theme.ts', 'src/sw.ts'] },
  },
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 15_000,
    setupFiles: ['tests/support/words.ts'],
  },
})
