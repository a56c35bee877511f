import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withLock } from '../lock.ts'
import { findProgram, runProgram } from '../process.ts'

const results = '/var/lib/cni/results'
const program = (name: string) => findProgram(name) ?? name
const sbin = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
const ip = (...args: string[]) => runProgram(program('ip'), args)
const iptables = (args: string[]) => runProgram(program('iptables'), ['-w', ...args], { seconds: 30, env: sbin })

/** The network of a cluster's pods: a bridge of this machine. */
export interface PodNetwork {
  /** The machine's own address on it. */
  nodeAddress: string
  /** Where containerd reads it. */
  configurationFolder: string
}

/** The rules by which pods reach what is outside. Docker forbids all forwarding that nobody allows. */
const rules = (name: string, subnet: string): { table: string; rule: string[] }[] =>
  [
    { table: 'nat', rule: ['POSTROUTING', '-s', subnet, '!', '-o', name, '-j', 'MASQUERADE'] },
    { table: 'filter', rule: ['FORWARD', '-i', name, '-j', 'ACCEPT'] },
    { table: 'filter', rule: ['FORWARD', '-o', name, '-j', 'ACCEPT'] },
  ].map(({ table, rule }) => ({ table, rule: [...rule, '-m', 'comment', '--comment', name] }))

/** The first of these subnets that is on no interface of this machine, also not on a bridge that has no pods yet. */
async function freeSubnet(): Promise<string> {
  const lines = (await ip('-o', '-4', 'address', 'show')).split('\n')
  const addresses = lines.map((line) => / inet (\S+)/.exec(line)?.[1] ?? '')
  for (let number = 0; number < 256; number++)
    if (!addresses.some((address) => address.startsWith(`10.244.${number}.`))) return `10.244.${number}`
  throw new Error('No subnet is left for pods: all of 10.244.0.0/16 is taken.')
}

/** Makes the bridge, the way out, and the configuration by which containerd's plugins put pods on it. */
export async function makePodNetwork(name: string, state: string): Promise<PodNetwork> {
  const subnet = await withLock(
    'pod-network',
    () => undefined,
    async () => {
      const free = await freeSubnet()
      await ip('link', 'add', name, 'type', 'bridge')
      await ip('address', 'add', `${free}.1/24`, 'dev', name)
      await ip('link', 'set', name, 'up')
      return free
    },
  )
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
  for (const {
    table,
    rule: [chain = '', ...rule],
  } of rules(name, `${subnet}.0/24`))
    await iptables(['-t', table, '-I', chain, ...rule])
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: `${subnet}.0/24` }]],
    routes: [{ dst: '0.0.0.0/0' }],
    dataDir: join(state, 'addresses'),
  }
  const bridge = { type: 'bridge', bridge: name, isGateway: true, hairpinMode: true, ipam }
  const configurationFolder = join(state, 'network')
  mkdirSync(configurationFolder, { recursive: true })
  const list = { cniVersion: '0.4.0', name, plugins: [bridge] }
  writeFileSync(join(configurationFolder, 'pods.conflist'), JSON.stringify(list))
  return { nodeAddress: `${subnet}.1`, configurationFolder }
}

/** Removes the bridge, all rules that carry the network's name, and what the plugins noted of the state folder's pods. */
export async function removePodNetwork(name: string, state: string): Promise<void> {
  for (const table of ['nat', 'filter']) {
    const text = await iptables(['-t', table, '-S']).catch(() => '')
    for (const line of text.split('\n').filter((line) => line.includes(`--comment ${name} `)))
      await iptables(['-t', table, ...line.replace(/^-A/, '-D').split(' ')]).catch(() => undefined)
  }
  if (readdirSync('/sys/class/net').includes(name)) await ip('link', 'delete', name).catch(() => undefined)
  for (const file of readFolder(results).map((file) => join(results, file)))
    if (readFileSync(file, 'utf8').includes(`${state}/`)) rmSync(file, { force: true })
}

function readFolder(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
