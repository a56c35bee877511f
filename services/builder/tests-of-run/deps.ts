import type { Store } from '@taxiway/store/store.ts'
import type { BuildDeps } from '../images/build-one.ts'
import type { Slots } from './slots.ts'

/** What tests of a run work with. */
export interface TestDeps extends BuildDeps {
  store: BuildDeps['store'] & Pick<Store, 'caches' | 'now'>
  /** Image name -> image id, as just built. */
  images: Map<string, string>
  /** Room for containers of tests, shared by all runs of this builder. */
  slots: Slots
}
