/** The versions of Kubernetes that can be made of plain processes, the newest first. */
export const versions = ['1.34', '1.20'] as const

export type Version = (typeof versions)[number]

/** The version that TAXIWAY_LOCAL_KUBERNETES asks for; undefined where any will do. */
export function wantedVersion(): Version | undefined {
  const given = process.env.TAXIWAY_LOCAL_KUBERNETES
  if (!given) return undefined
  const version = versions.find((name) => name === given)
  if (!version) throw new Error(`TAXIWAY_LOCAL_KUBERNETES is ${given}: it may be ${versions.join(' or ')}.`)
  return version
}
