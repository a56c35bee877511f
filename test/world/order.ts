import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'

/** An order as a release keeps it, for tests that look at other parts of the record. */
export const exampleOrder = (more: Partial<ReleaseOrder> = {}): ReleaseOrder => ({
  repositoryId: 'rep_1',
  repositoryName: 'acme/shop',
  environment: 'production',
  namespace: 'shop',
  runId: 'run_1',
  sha: 'a'.repeat(40),
  generation: 1,
  objects: [],
  digests: [],
  ...more,
})
