import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { extract } from 'tar-stream'

/** A file of an archive, by its path as it stands there. */
export interface ArchivedFile {
  path: string
  content: Buffer
}

/** The files of a `.tgz`. Folders are left out. @throws what is wrong with it: no archive, too large, or something that is neither file nor folder */
export async function readArchive(bytes: Buffer, { maxBytes }: { maxBytes: number }): Promise<ArchivedFile[]> {
  const tar = await promisify(gunzip)(bytes, { maxOutputLength: maxBytes }).catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === 'ERR_BUFFER_TOO_LARGE' ? `holds more than ${maxBytes / 2 ** 20} MiB` : 'is no .tgz')
  })
  const entries = extract()
  entries.end(tar)
  const files: ArchivedFile[] = []
  for await (const entry of entries) {
    const { name, type } = entry.header
    const chunks: Buffer[] = []
    for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk)
    if (type === 'file') files.push({ path: name, content: Buffer.concat(chunks) })
    else if (type !== 'directory') throw new Error(`holds ${name.slice(0, 200)}, which is no file`)
  }
  return files
}
