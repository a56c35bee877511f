import type { Containment } from '@taxiway/domain/environment/place.ts'
import type { SecretSet } from '@taxiway/domain/environment/release.ts'

/** What admins rule for the environment, and whether another repository owns its namespace. */
export type PolicyRules = Omit<Containment, 'cluster' | 'namespace'> & {
  isShared?: boolean
  /** Secrets that are made for the release. */
  given?: readonly SecretSet[] | undefined
  /** Names by which manifests may mean images of the pipeline, whatever digest they give. */
  built?: ReadonlySet<string>
}

/** What is ruled about Secrets that manifests name. */
export interface SecretRules {
  /** Only these may be named. */
  secrets?: readonly string[] | undefined
  /** Another repository owns the namespace, and with it the Secrets there. */
  isShared?: boolean | undefined
  /** Secrets that the release itself brings. */
  brought?: ReadonlySet<string>
}

/** All that an object is judged by. */
export type ObjectRules = PolicyRules &
  SecretRules & {
    namespace: string
    /** Service accounts that the release itself brings, and so have no rights but those that anybody gave them by name. */
    accounts: ReadonlySet<string>
  }
