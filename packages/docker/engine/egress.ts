import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

/** Where the code of a run may connect to: the public internet, nothing at all, or whatever the machine can reach. */
export type Egress = 'internet' | 'none' | 'open'

export interface EgressRules {
  /** Interfaces besides those of Taxiway's own networks: the engine's default bridge, if builds alone use it. */
  bridges: string[]
  /** Addresses and ranges that may be reached although they are private. */
  allow: string[]
  /** Resolvers that the containers are given. */
  nameservers: string[]
}

/** First letters of a work network's bridge by what may leave it; the rules know networks by this, not by their addresses. */
export const bridgePrefix = { internet: 'txwi-', none: 'txwn-', open: 'txwo-' } as const satisfies Record<
  Egress,
  string
>

/** Never a place on the public internet. */
const privateRanges = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
/** Chains of our own; what stands before them in INPUT and DOCKER-USER only leads here. */
const toHost = 'TAXIWAY-INPUT'
const toElsewhere = 'TAXIWAY-FORWARD'
const denied = 'REJECT --reject-with icmp-admin-prohibited'

/** The rules as `iptables-restore --noflush` takes them: both chains are replaced in one step. */
export function egressChains({ allow, nameservers }: EgressRules): string {
  const answered = '-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN'
  const names = nameservers
    .filter((address) => /^[\d.]+$/.test(address))
    .flatMap((address) => ['udp', 'tcp'].map((protocol) => `-d ${address} -p ${protocol} --dport 53 -j RETURN`))
  const allowed = allow.map((range) => `-d ${range} -j RETURN`)
  const none = `-i ${bridgePrefix.none}+ -j ${denied}`
  return [
    '*filter',
    `:${toHost} - [0:0]`,
    `:${toElsewhere} - [0:0]`,
    `-A ${toHost} ${answered}`,
    `-A ${toHost} ${none}`,
    ...[...names, ...allowed].map((rule) => `-A ${toHost} ${rule}`),
    `-A ${toHost} -j ${denied}`,
    `-A ${toElsewhere} ${answered}`,
    // Containers of one network see each other; the engine itself keeps networks apart.
    ...Object.values(bridgePrefix).map((prefix) => `-A ${toElsewhere} -i ${prefix}+ -o ${prefix}+ -j RETURN`),
    `-A ${toElsewhere} ${none}`,
    ...[...names, ...allowed].map((rule) => `-A ${toElsewhere} ${rule}`),
    ...privateRanges.map((range) => `-A ${toElsewhere} -d ${range} -j ${denied}`),
    'COMMIT',
    '',
  ].join('\n')
}

/** IPv6 is not given to work networks; what a container makes of link-local addresses leads nowhere. */
export const egressChains6 = (): string =>
  [
    '*filter',
    `:${toHost} - [0:0]`,
    `:${toElsewhere} - [0:0]`,
    `-A ${toHost} -j REJECT`,
    `-A ${toElsewhere} -j REJECT`,
    'COMMIT',
    '',
  ].join('\n')

/** Each place where a packet is led into the chains: the chain it comes from, and its interface. */
const jumps = ({ bridges }: EgressRules): { from: string; rule: string[] }[] =>
  [`${bridgePrefix.internet}+`, `${bridgePrefix.none}+`, ...bridges].flatMap((name) => [
    { from: 'INPUT', rule: ['-i', name, '-j', toHost] },
    { from: 'DOCKER-USER', rule: ['-i', name, '-j', toElsewhere] },
  ])

/** The same as commands, for whoever must type them on the engine's machine. */
export const egressCommands = (rules: EgressRules): string =>
  [
    `iptables-restore --noflush <<'END'\n${egressChains(rules)}END`,
    ...jumps(rules).map(({ from, rule }) => `iptables -I ${from} ${rule.join(' ')}`),
  ].join('\n')

const run = promisify(execFile)
const iptables = async (program: string, args: string[], input?: string): Promise<void> => {
  const running = run(program, ['-w', '5', ...args], { timeout: 10_000 })
  if (input !== undefined) running.child.stdin?.end(input)
  await running
}

/**
 * Puts the rules into the firewall of this machine, which must be the engine's. Doing it again changes nothing, and repairs
 * what somebody took out. @throws when this process may not, or there is no iptables
 */
export async function installEgress(rules: EgressRules): Promise<void> {
  await install('iptables', egressChains(rules), jumps(rules))
  // A kernel without IPv6 has no such table, and no such traffic.
  const inner = jumps(rules).map(({ from, rule }) => ({ from: from === 'INPUT' ? from : 'FORWARD', rule }))
  await install('ip6tables', egressChains6(), inner).catch(() => undefined)
}

async function install(family: string, chains: string, leads: ReturnType<typeof jumps>): Promise<void> {
  const program = `${family}${await kindOfTables(family)}`
  await iptables(`${program}-restore`, ['--noflush'], chains)
  for (const { from, rule } of leads)
    if (!(await succeeds(program, ['-C', from, ...rule]))) await iptables(program, ['-I', from, '1', ...rule])
}

/** Kernels hold two kinds of tables; rules belong where the engine has put its own. */
async function kindOfTables(family: string): Promise<'' | '-legacy' | '-nft'> {
  for (const kind of ['', '-legacy', '-nft'] as const)
    if (await succeeds(`${family}${kind}`, ['-S', 'DOCKER-USER'])) return kind
  return ''
}

const succeeds = (program: string, args: string[]): Promise<boolean> =>
  iptables(program, args).then(
    () => true,
    () => false,
  )

/** The resolvers that an engine on this machine gives to containers: not those that listen on the machine's loopback alone. */
export function engineNameservers(): string[] {
  const read = (path: string): string[] => {
    try {
      return [...readFileSync(path, 'utf8').matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1] as string)
    } catch {
      return []
    }
  }
  const own = read('/etc/resolv.conf')
  const isStub = own.every((address) => address.startsWith('127.'))
  // The engine's own fallback when it finds no other.
  const found = (isStub ? read('/run/systemd/resolve/resolv.conf') : own).filter((a) => !a.startsWith('127.'))
  return found.length > 0 ? found : ['8.8.8.8', '8.8.4.4']
}
