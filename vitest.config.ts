import { defineConfig } from 'vitest/config'

/** Files side by side: most of them wait for an engine or a cluster more than they work. */
const workers = 4

const real = {
  environment: 'node' as const,
  execArgv: ['--expose-gc'],
  setupFiles: ['test/world/runner/work-time.ts', 'test/world/runner/own-redis.ts', 'test/world/runner/seed.ts'],
  testTimeout: 180_000,
  hookTimeout: 180_000,
}

/**
 * Which project a test belongs to is its folder. unit: needs nothing but the files. machine: Redis, an engine, a registry.
 * cluster: Kubernetes as well. alone: as machine, but one file after another, as it starves others or holds a figure.
 */
export default defineConfig({
  test: {
    maxWorkers: workers,
    globalSetup: 'test/world/runner/set-up.ts',
    reporters: ['default', './test/world/runner/slowest.ts'],
    projects: [
      {
        test: {
          environment: 'node',
          name: 'unit',
          setupFiles: ['test/world/runner/seed.ts'],
          include: ['packages', 'services', 'deploy', 'test/faults']
            .map((name) => `${name}/**/*.test.ts`)
            .concat('test/*.test.ts'),
          testTimeout: 20_000,
        },
      },
      {
        test: { ...real, name: 'machine', include: ['test/machine/**/*.test.ts', 'test/promises/*.test.ts'] },
      },
      {
        test: {
          ...real,
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          testTimeout: 300_000,
        },
      },
      {
        test: {
          ...real,
          name: 'alone',
          include: ['test/alone/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
