import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inflateRawSync } from 'node:zlib'

/** A folder with `kubectl` 1.20 and `helm` 3.8 for Linux on x86-64, as a package of the registry ships them. */
export function renderPrograms(): string {
  const root = dirname(fileURLToPath(import.meta.resolve('@aws-cdk/asset-kubectl-v20/package.json')))
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const folder = join(tmpdir(), `taxiway-render-programs-${version}`)
  if (existsSync(folder)) return folder
  const making = `${folder}.${process.pid}`
  mkdirSync(making, { recursive: true })
  for (const [name, content] of unzip(readFileSync(join(root, 'lib', 'layer.zip')))) {
    const program = /^(?:helm|kubectl)\/(helm|kubectl)$/.exec(name)?.[1]
    if (!program) continue
    writeFileSync(join(making, program), content)
    chmodSync(join(making, program), 0o755)
  }
  try {
    renameSync(making, folder)
  } catch (error) {
    // Another test was faster.
    if (!existsSync(folder)) throw error
  }
  return folder
}

/** The files of a zip archive (PKWARE APPNOTE, 4.3.7 and 4.3.12), as far as this one goes: no encryption, no zip64. */
function* unzip(zip: Buffer): Generator<[string, Buffer]> {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  const count = zip.readUInt16LE(end + 10)
  let at = zip.readUInt32LE(end + 16)
  for (let index = 0; index < count; index++) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset))
    const name = zip.toString('utf8', at + 46, at + 46 + (nameLength ?? 0))
    const local = zip.readUInt32LE(at + 42)
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    const data = zip.subarray(start, start + zip.readUInt32LE(at + 20))
    if (!name.endsWith('/')) yield [name, zip.readUInt16LE(at + 10) === 8 ? inflateRawSync(data) : data]
    at += 46 + (nameLength ?? 0) + (extraLength ?? 0) + (commentLength ?? 0)
  }
}
