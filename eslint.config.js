import { defineConfig } from 'eslint/config'
import nx from '@nx/eslint-plugin'
import importX from 'eslint-plugin-import-x'
import tseslint from 'typescript-eslint'

// Arrows point one way: apps → platform, backends, mcp, domains → core → protocol (docs/architecture.md).
const BACKENDS = ['ioredis', 'bullmq', 'pg']
const SERVER_LIBRARIES = ['@nestjs/*', ...BACKENDS]
const MCP_SDK = '@modelcontextprotocol/*'
const LAYERS = {
  protocol: { uses: [], banned: [...SERVER_LIBRARIES, MCP_SDK] },
  core: { uses: ['protocol'], banned: [...SERVER_LIBRARIES, MCP_SDK] },
  mcp: { uses: ['core', 'protocol'], banned: SERVER_LIBRARIES },
  domain: { uses: ['core', 'protocol'], banned: [...SERVER_LIBRARIES, MCP_SDK] },
  backends: { uses: ['core', 'protocol'], banned: ['@nestjs/*', MCP_SDK] },
  platform: { uses: ['core', 'protocol'], banned: [MCP_SDK, ...BACKENDS] },
  app: { uses: ['platform', 'backends', 'mcp', 'domain', 'core', 'protocol'], banned: [MCP_SDK, ...BACKENDS] },
  testing: { uses: ['core', 'protocol'], banned: [...SERVER_LIBRARIES, MCP_SDK] },
}

/** @param {boolean} inTests whether the rule is for tests, which may use libs/testing and the MCP clients */
const boundaries = (inTests) => ({
  '@nx/enforce-module-boundaries': [
    'error',
    {
      allow: [],
      depConstraints: Object.entries(LAYERS).map(([layer, { uses, banned }]) => ({
        sourceTag: `layer:${layer}`,
        onlyDependOnLibsWithTags: [...uses, ...(inTests ? ['testing'] : [])].map((used) => `layer:${used}`),
        bannedExternalImports: inTests ? banned.filter((name) => name !== MCP_SDK) : banned,
      })),
    },
  ],
})

const TESTS = [
  '**/*.test.ts',
  '**/test/**/*.ts',
  'e2e/**/*.ts',
  'helm/tests/**/*.ts',
  'interop/**/*.ts',
  'bench/**/*.ts',
  'fuzz/**/*.ts',
]
// Plain JavaScript and configuration are checked by tsc (tools/tsconfig.json), not by the rules that need types.
const UNTYPED = ['**/*.js', '**/*.mjs', '**/vitest.config.ts']

export default defineConfig(
  {
    ignores: [
      '**/dist/',
      '**/node_modules/',
      '.nx/',
      '.cache/',
      '.koi/',
      '.prometheus/',
      '.venv-koi-net/',
      'coverage/',
      'test-results/',
      'fuzz-failures/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts', '**/*.js', '**/*.mjs'],
    extends: [tseslint.configs.recommendedTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
      'prefer-const': 'error',
      'import-x/first': 'error',
      'import-x/no-duplicates': 'error',
      'import-x/order': [
        'error',
        {
          groups: ['builtin', 'external', 'internal', 'parent', 'sibling', 'index'],
          pathGroups: [{ pattern: '@koi-mcp/**', group: 'internal' }],
          pathGroupsExcludedImportTypes: ['builtin'],
          'newlines-between': 'ignore',
        },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['**/*.ts'],
    rules: {
      'import-x/no-default-export': 'error',
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/require-await': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
      ],
    },
  },
  {
    files: ['libs/**/*.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'A library throws; only an application ends the process.' },
        { object: 'process', property: 'env', message: 'Configuration is read in config.ts alone and passed on.' },
      ],
    },
  },
  {
    files: ['libs/**/*.ts', 'apps/**/*.ts'],
    ignores: [...TESTS, ...UNTYPED],
    plugins: { '@nx': nx },
    rules: boundaries(false),
  },
  {
    files: ['libs/**/*.test.ts', 'libs/**/test/**/*.ts', 'apps/**/*.test.ts', 'apps/**/test/**/*.ts'],
    plugins: { '@nx': nx },
    rules: boundaries(true),
  },
  {
    files: TESTS,
    rules: {
      'no-restricted-properties': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['apps/cli/**', 'examples/**', 'interop/*.ts', 'tools/**'],
    rules: { 'no-console': 'off' },
  },
  {
    files: UNTYPED,
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { parserOptions: { projectService: false } },
    rules: {
      'import-x/no-default-export': 'off',
      '@typescript-eslint/consistent-type-exports': 'off',
      '@typescript-eslint/consistent-type-imports': 'off',
    },
  },
)
