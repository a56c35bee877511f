import { isAlias, isMap, isSeq, Scalar, type ScalarTag, type YAMLMap } from 'yaml'

type ToJs = Parameters<YAMLMap['toJSON']>[1]

/** A plain scalar that looks so is a number of that base; `_` between digits says nothing. */
const numbers: [RegExp, number][] = [
  [/^[-+]?0[xX]_*[0-9a-fA-F][0-9a-fA-F_]*$/, 16],
  [/^[-+]?0[bB]_*[01][01_]*$/, 2],
  [/^[-+]?0[oO]?_*[0-7][0-7_]*$/, 8],
  [/^[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$/, 10],
]

function numberIn(text: string, base: number): number {
  const plain = text.replaceAll('_', '')
  if (base === 10) return Number(plain)
  const size = Number.parseInt(plain.replace(/^[-+]?0[xXoObB]?/, '') || '0', base)
  return plain.startsWith('-') ? -size : size
}

const scalar = (name: string, test: RegExp, resolve: (text: string) => unknown): ScalarTag => ({
  tag: `tag:yaml.org,2002:${name}`,
  default: true,
  test,
  resolve,
})

/** `<<: *base` takes over the keys of a map, and of the maps of a list; what stands after it in its map goes before them. */
const merge: ScalarTag = {
  tag: 'tag:yaml.org,2002:merge',
  default: 'key',
  test: /^<<$/,
  resolve: () => Object.assign(new Scalar(mergeKey), { addToJSMap }),
}
/** What a key `<<` is read as. */
export const mergeKey = Symbol('<<')

/** @throws SyntaxError for what is no map */
function addToJSMap(context: ToJs, map: Record<string, unknown>, value: unknown): void {
  const resolved = (node: unknown) => (isAlias(node) && context ? node.resolve(context.doc, context) : node)
  const source = resolved(value)
  // The first of a list has the last word.
  const maps = isSeq(source) ? source.items.map(resolved).reverse() : [source]
  for (const one of maps) {
    if (!isMap(one)) throw new SyntaxError('<< takes maps only')
    Object.assign(map, one.toJSON(null, context))
  }
}

/**
 * How kubectl, and so Helm and all that read manifests, resolve plain scalars: by sigs.k8s.io/yaml, whose go-yaml v2 knows the booleans,
 * octals and merge keys of YAML 1.1, the octals of 1.2, no sexagesimals, and leaves dates as text.
 */
export const kubectlTags = [
  'null' as const,
  scalar('bool', /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/, () => true),
  scalar('bool', /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/, () => false),
  ...numbers.map(([test, base]) => scalar(base === 10 ? 'float' : 'int', test, (text) => numberIn(text, base))),
  // Of which there is none in JSON, as is told where they stand.
  'floatNaN' as const,
  merge,
]
