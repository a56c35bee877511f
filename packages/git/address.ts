import { BlockList, isIP } from 'node:net'

/** Not out there: IANA's special-purpose addresses (iana.org/assignments/iana-ipv4-special-registry), and multicast. */
const special4 = blockListOf('ipv4', [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
])
/** Global unicast is 2000::/3; all else (loopback, mapped IPv4, NAT64, local, multicast) is out at once. */
const global6 = blockListOf('ipv6', [['2000::', 3]])
const special6 = blockListOf('ipv6', [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
])

/** Is this an address that a public git host can't have? So is what is no address at all. */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return special4.check(address, 'ipv4')
  // A zone (fe80::1%eth0) is only ever local.
  if (family !== 6 || address.includes('%')) return true
  return !global6.check(address, 'ipv6') || special6.check(address, 'ipv6')
}

function blockListOf(family: 'ipv4' | 'ipv6', nets: [string, number][]): BlockList {
  const list = new BlockList()
  for (const [net, bits] of nets) list.addSubnet(net, bits, family)
  return list
}
