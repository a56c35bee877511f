/** A word to be found; with `broken`, also where white space breaks it. */
export interface Word {
  text: string
  /** At how many characters into the word white space may stand in it; undefined: nowhere. */
  brokenFrom?: number
}
/** The automaton of Aho and Corasick (1975) over UTF-16 code units: one step per character, however many words. */
export interface Automaton {
  /** Row by node, column by ASCII character: the next node, doubled, plus one where a word ends. */
  table: Int32Array
  /** How many nodes have a row. */
  rows: number
  /** Length of the longest word that ends at a node, 0 for none. */
  longest: Int32Array
  depth: Int32Array
  fail: Int32Array
  /** White space leaves the search at this node. */
  isBroken: Uint8Array
  step(from: number, wanted: number): number
}
/** Where a search through text that arrives in pieces has come to. */
export interface SearchState {
  exact: number
  broken: number
}

/** The first nodes, those near the root, have a row of their own for all of ASCII: text is mostly there. */
const rowNodes = 2048
const rowWidth = 128

/** White space that may break encoded text. */
const breaks = [10, 13, 32]
const isBreak = (code: number): boolean => code === 10 || code === 13 || code === 32

interface Trie {
  code: number[]
  child: number[]
  sibling: number[]
  depth: number[]
  isWord: boolean[]
  /** White space leaves the search at this node. */
  isBroken: boolean[]
}

/** Builds the automaton of these words. */
export function makeAutomaton(words: readonly Word[]): Automaton {
  const trie = ordered(makeTrie(words))
  const count = trie.code.length
  const code = Uint16Array.from(trie.code)
  const child = Int32Array.from(trie.child)
  const sibling = Int32Array.from(trie.sibling)
  const depth = Int32Array.from(trie.depth)
  const isBroken = Uint8Array.from(trie.isBroken, Number)
  const fail = new Int32Array(count)
  const longest = Int32Array.from(trie.isWord, (isWord, node) => (isWord ? (trie.depth[node] as number) : 0))
  const rows = Math.min(count, rowNodes)
  const table = new Int32Array(rows * rowWidth)

  const find = (node: number, wanted: number): number => {
    let at = child[node] as number
    while (at !== 0 && code[at] !== wanted) at = sibling[at] as number
    return at
  }
  const step = (from: number, wanted: number): number => {
    let node = from
    for (;;) {
      const next = find(node, wanted)
      if (next !== 0 || node === 0) return next
      node = fail[node] as number
    }
  }
  // Nodes are in order of depth, so that whatever a node fails to is complete before it.
  for (let node = 0; node < count; node++) {
    for (let at = child[node] as number; at !== 0; at = sibling[at] as number) {
      const to = node === 0 ? 0 : step(fail[node] as number, code[at] as number)
      fail[at] = to
      if (longest[at] === 0) longest[at] = longest[to] as number
    }
    if (node >= rows) continue
    const row = node * rowWidth
    const parent = (fail[node] as number) * rowWidth
    if (node > 0) table.copyWithin(row, parent, parent + rowWidth)
    for (let at = child[node] as number; at !== 0; at = sibling[at] as number)
      if ((code[at] as number) < rowWidth) table[row + (code[at] as number)] = (at << 1) | Number(longest[at] !== 0)
    if (isBroken[node]) for (const space of breaks) table[row + space] = node << 1
  }
  return { table, rows, longest, depth, fail, isBroken, step }
}

/**
 * Goes through the next piece with both automata at once, which costs little more than one. White space is a character to
 * `exact`, and passed over by `broken` inside of words that it may break. `found` hears where each match ends, and its length
 * in characters of the word.
 */
export function search(
  exact: Automaton,
  broken: Automaton,
  state: SearchState,
  piece: string,
  found: (inBroken: boolean, end: number, length: number) => void,
): void {
  const [exactTable, exactRows] = [exact.table, exact.rows]
  const [brokenTable, brokenRows] = [broken.table, broken.rows]
  const length = piece.length
  let one = state.exact
  let two = state.broken
  for (let index = 0; index < length; index++) {
    const wanted = piece.charCodeAt(index)
    let oneEnds = 0
    let twoEnds = 0
    if (wanted < rowWidth && one < exactRows) {
      const entry = exactTable[(one << 7) | wanted] as number
      one = entry >> 1
      oneEnds = entry & 1
    } else {
      one = exact.step(one, wanted)
      oneEnds = exact.longest[one] as number
    }
    if (wanted < rowWidth && two < brokenRows) {
      const entry = brokenTable[(two << 7) | wanted] as number
      two = entry >> 1
      twoEnds = entry & 1
    } else if (isBreak(wanted)) {
      while (two !== 0 && broken.isBroken[two] === 0) two = broken.fail[two] as number
    } else {
      two = broken.step(two, wanted)
      twoEnds = broken.longest[two] as number
    }
    if ((oneEnds | twoEnds) === 0) continue
    if (oneEnds !== 0) found(false, index + 1, exact.longest[one] as number)
    if (twoEnds !== 0) found(true, index + 1, broken.longest[two] as number)
  }
  state.exact = one
  state.broken = two
}

function makeTrie(words: readonly Word[]): Trie {
  const trie: Trie = { code: [0], child: [0], sibling: [0], depth: [0], isWord: [false], isBroken: [false] }
  for (const { text, brokenFrom } of words) {
    let node = 0
    for (let index = 0; index < text.length; index++) {
      const wanted = text.charCodeAt(index)
      let next = trie.child[node] as number
      while (next !== 0 && trie.code[next] !== wanted) next = trie.sibling[next] as number
      if (next === 0) {
        next = trie.code.push(wanted) - 1
        trie.child.push(0)
        trie.sibling.push(trie.child[node] as number)
        trie.depth.push(index + 1)
        trie.isWord.push(false)
        trie.isBroken.push(false)
        trie.child[node] = next
      }
      node = next
      if (brokenFrom !== undefined && index + 1 >= brokenFrom) trie.isBroken[node] = true
    }
    if (node !== 0) trie.isWord[node] = true
  }
  return trie
}

/** The same trie with its nodes numbered by depth. */
function ordered(trie: Trie): Trie {
  const order = [0]
  for (let index = 0; index < order.length; index++)
    for (let at = trie.child[order[index] as number] as number; at !== 0; at = trie.sibling[at] as number)
      order.push(at)
  const place = new Int32Array(order.length)
  order.forEach((node, index) => {
    place[node] = index
  })
  const pick = <T>(values: T[]): T[] => order.map((node) => values[node] as T)
  return {
    code: pick(trie.code),
    child: pick(trie.child).map((node) => place[node] as number),
    sibling: pick(trie.sibling).map((node) => place[node] as number),
    depth: pick(trie.depth),
    isWord: pick(trie.isWord),
    isBroken: pick(trie.isBroken),
  }
}
