import { defineConfig } from 'vitest/config'

// The unit tests of every library and app in one run; e2e/ and interop/ have their own.
export default defineConfig({
  test: {
    projects: [
      'libs/*/vitest.config.ts',
      'libs/domains/*/vitest.config.ts',
      'apps/*/vitest.config.ts',
      'tools/vitest.config.ts',
    ],
  },
})
