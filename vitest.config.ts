import { defineConfig } from 'vitest/config'

const common = { environment: 'node' as const }

/** unit: needs nothing but the files. real: Redis, Docker, registry. cluster: all of that, and Kubernetes. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['packages/**/*.test.ts', 'services/**/*.test.ts', 'test/*.test.ts', 'test/faults/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          ...common,
          name: 'real',
          execArgv: ['--expose-gc'],
          include: ['integration', 'promises', 'bad-input', 'containment'].map((name) => `test/${name}/**/*.test.ts`),
          exclude: ['**/kubernetes*.test.ts', '**/p09-*.test.ts', '**/p10-*.test.ts', '**/p16-*.test.ts'],
          globalSetup: 'test/set-up-real.ts',
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          ...common,
          name: 'cluster',
          include: [
            'test/integration/kubernetes*.test.ts',
            'test/promises/p09-*.test.ts',
            'test/promises/p10-*.test.ts',
            'test/promises/p16-*.test.ts',
            'test/scenes/*.test.ts',
          ],
          globalSetup: 'test/set-up-cluster.ts',
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 1_800_000,
        },
      },
    ],
  },
})
