import swc from 'unplugin-swc'
import { defineConfig } from 'vitest/config'

// Vitest passes these on to Node: `import` among them would give it to `require` too. Vite adds it where something is imported.
const conditions = ['@koi-mcp/source', 'node', 'module']

/**
 * The Vitest configuration of one project. Tests run on the sources of every library (export condition
 * `@koi-mcp/source`), and SWC compiles them because decorators need their metadata, which Vite's own compiler drops.
 *
 * @param {string} name shown before each test file
 * @param {import('vitest/config').TestUserConfig} [test] what differs from the rest
 */
export const project = (name, test = {}) =>
  defineConfig({
    plugins: [
      swc.vite({
        tsconfigFile: false,
        module: { type: 'es6' },
        jsc: {
          target: 'es2024',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, verbatimModuleSyntax: true },
        },
      }),
    ],
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    // Where Vitest itself imports a global setup.
    environments: { __vitest__: { resolve: { conditions } } },
    // A test waits for conditions, not for times: a limit is there for what hangs, and must not tell a slow machine from a broken product.
    test: {
      name,
      include: ['{src,test}/**/*.test.ts'],
      environment: 'node',
      // Vitest leaves a core to itself, which is half of a small machine.
      maxWorkers: 2,
      testTimeout: 60_000,
      hookTimeout: 60_000,
      expect: { poll: { timeout: 50_000 } },
      ...test,
    },
  })
