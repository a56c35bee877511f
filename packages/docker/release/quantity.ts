const bytesOf: Record<string, number> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

/** The engine takes no less than this. */
const leastMb = 6
const leastCpus = 0.01

/** A quantity as Kubernetes writes it (`128Mi`, `1e9`, `500m`); undefined when it is none. */
function amount(quantity: unknown): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?(?:[eE]\d+)?)([A-Za-z]{0,2})$/.exec(String(quantity)) ?? []
  const factor = Object.hasOwn(bytesOf, unit) ? bytesOf[unit] : undefined
  return number === undefined || factor === undefined ? undefined : Number(number) * factor
}

/** A quantity of memory in MB (of 2^20 bytes), rounded up to what the engine takes; undefined when it is none. */
export function megabytes(quantity: unknown): number | undefined {
  const bytes = amount(quantity)
  return bytes === undefined ? undefined : Math.max(leastMb, Math.ceil(bytes / 2 ** 20))
}

/** A quantity of processors, within what the engine takes on a machine of so many; undefined when it is none. */
export function processors(quantity: unknown, ofMachine: number): number | undefined {
  const cpus = amount(quantity)
  return cpus === undefined ? undefined : Math.min(ofMachine, Math.max(leastCpus, cpus))
}
