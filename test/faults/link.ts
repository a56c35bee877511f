import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Which way bytes go: to the server, or back from it. */
export type Direction = 'request' | 'reply'

/** What springs once, on one connection. */
export type Trap =
  | { kind: 'cut'; direction: Direction; bytes: number; sprung(): void }
  | { kind: 'drop'; isCall(asked: Buffer): boolean; sprung(dropped: Buffer): void }

/** How all connections are treated at the moment. */
export interface Rules {
  isSilent: boolean
  delayMs: number
  trap: Trap | undefined
}

/** One connection from its client to its server. */
export interface Link {
  /** Reads no more, or goes on. */
  hold(isSilent: boolean): void
  destroy(): void
}

/** A reply is over when nothing more of it came for so long, */
const quietMs = 50
/** and on a connection that never rests, after so long. */
const mostReplyMs = 500
/** So much of what was asked is looked at. */
const keptBytes = 64 * 1024

/** Passes bytes between two sockets as the rules say. */
export function openLink(ours: Socket, theirs: Socket, rules: Rules, onClose: () => void): Link {
  const sockets = [ours, theirs]
  const destroy = () => {
    for (const socket of sockets) socket.destroy()
  }
  const dropper = makeDropper(rules, destroy)
  const pump = (from: Socket, into: Socket, direction: Direction) => {
    const cutter = makeCutter(rules, direction)
    const take = (bytes: Buffer) => {
      if (direction === 'request') dropper.see(bytes)
      else if (dropper.swallow(bytes)) return
      const last = cutter(bytes)
      if (last) {
        from.pause()
        into.end(last, destroy)
      } else if (!into.write(bytes)) {
        from.pause()
        into.once('drain', () => rules.isSilent || from.resume())
      }
    }
    const inOrder = makeOrder(rules)
    from.on('data', (bytes: Buffer) => inOrder(() => take(bytes)))
    from.on('end', () => inOrder(() => (direction === 'reply' && dropper.finish() ? undefined : into.end())))
    from.on('error', () => into.destroy())
    from.on('close', () => {
      if (!from.readableEnded) into.destroy()
      if (sockets.every(({ closed, destroyed }) => closed || destroyed)) onClose()
    })
  }
  pump(ours, theirs, 'request')
  pump(theirs, ours, 'reply')
  return {
    destroy,
    hold(isSilent) {
      for (const socket of sockets) isSilent ? socket.pause() : socket.resume()
    },
  }
}

/** Does one thing after the other, each as late as the rules said when it came. */
function makeOrder(rules: Rules) {
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()
  return (act: () => void): void => {
    if (waiting === 0 && rules.delayMs === 0) act()
    else {
      waiting++
      const due = sleep(rules.delayMs)
      last = last
        .then(() => due)
        .then(() => {
          waiting--
          act()
        })
    }
  }
}

/** @returns what counts the bytes of one direction, and answers with the last ones when the trap springs */
function makeCutter(rules: Rules, direction: Direction) {
  let counted: Trap | undefined
  let passed = 0
  return (bytes: Buffer): Buffer | undefined => {
    const { trap } = rules
    if (trap?.kind !== 'cut' || trap.direction !== direction) return undefined
    if (counted !== trap) passed = 0
    counted = trap
    const last = bytes.subarray(0, Math.max(0, trap.bytes - passed))
    passed += bytes.length
    if (passed < trap.bytes) return undefined
    trap.sprung()
    return last
  }
}

/** Looks for the call whose reply is to be lost, then keeps all that comes back, and breaks the connection. */
function makeDropper(rules: Rules, destroy: () => void) {
  let watched: Trap | undefined
  let asked = Buffer.alloc(0)
  let dropping: (Trap & { kind: 'drop' }) | undefined
  let dropped = Buffer.alloc(0)
  let quiet: NodeJS.Timeout | undefined
  let most: NodeJS.Timeout | undefined
  /** @returns whether a reply was being dropped */
  const finish = (): boolean => {
    if (!dropping) return false
    clearTimeout(quiet)
    clearTimeout(most)
    destroy()
    dropping.sprung(dropped)
    dropping = undefined
    return true
  }
  return {
    finish,
    see(bytes: Buffer): void {
      const { trap } = rules
      if (trap?.kind !== 'drop' || dropping) return
      if (watched !== trap) asked = Buffer.alloc(0)
      watched = trap
      asked = Buffer.concat([asked, bytes]).subarray(-keptBytes)
      if (!trap.isCall(asked)) return
      dropping = trap
      rules.trap = undefined
    },
    swallow(bytes: Buffer): boolean {
      if (!dropping) return false
      dropped = Buffer.concat([dropped, bytes])
      clearTimeout(quiet)
      quiet = setTimeout(finish, quietMs)
      most ??= setTimeout(finish, mostReplyMs)
      return true
    },
  }
}
