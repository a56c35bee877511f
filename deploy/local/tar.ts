/** One entry of an archive: a folder, a file, or a symbolic link. */
export type TarEntry =
  | { path: string; kind: 'folder'; mode?: number }
  | { path: string; kind: 'file'; content: Buffer; mode?: number }
  | { path: string; kind: 'link'; to: string }

const block = 512
const typeFlags = { file: '0', link: '2', folder: '5' } as const

function header(entry: TarEntry): Buffer {
  const bytes = Buffer.alloc(block)
  const octal = (value: number, at: number, length: number) =>
    bytes.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at)
  const mode = entry.kind === 'link' ? 0o777 : (entry.mode ?? (entry.kind === 'folder' ? 0o755 : 0o644))
  bytes.write(entry.path, 0, 100)
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(entry.kind === 'file' ? entry.content.length : 0, 124, 12)
  octal(0, 136, 12)
  bytes.fill(' ', 148, 156)
  bytes.write(typeFlags[entry.kind], 156)
  if (entry.kind === 'link') bytes.write(entry.to, 157, 100)
  bytes.write('ustar\u000000', 257)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return bytes
}

/** An uncompressed ustar archive, all owned by root and dated 1970, so the same entries make the same bytes. */
export function tarArchive(entries: TarEntry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    if (entry.kind !== 'file') return [header(entry)]
    const padding = Buffer.alloc((block - (entry.content.length % block)) % block)
    return [header(entry), entry.content, padding]
  })
  return Buffer.concat([...parts, Buffer.alloc(2 * block)])
}
