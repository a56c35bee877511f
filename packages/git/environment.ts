/** Where git may go, as whom, and by which addresses. */
export interface Remote {
  /** Like `https://git.example.com`. The token goes to this origin only. */
  origin: string
  token?: string
  /** `host:port:address,address` (curl's CURLOPT_RESOLVE): what was checked is what is connected to. */
  pin?: string
}

/**
 * What old tools wrote into commits and trees, and every host serves (git-scm.com/docs/git-fsck, fsck.<msg-id>): dates and names
 * of people, and modes. What could hide a file or mean another is not among them.
 */
const harmless = [
  'badDate',
  'badDateOverflow',
  'badEmail',
  'badFilemode',
  'badTagName',
  'badTimezone',
  'missingEmail',
  'missingNameBeforeEmail',
  'missingSpaceBeforeDate',
  'missingSpaceBeforeEmail',
  'missingTaggerEntry',
  'multipleAuthors',
  'nulInCommit',
  'zeroPaddedDate',
  'zeroPaddedFilemode',
]

/** What makes foreign content inert: no hooks, no other transports, no redirects, no helpers, checked objects. */
const settings: [string, string][] = [
  ['core.hooksPath', '/dev/null'],
  ['core.attributesFile', '/dev/null'],
  ['core.excludesFile', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.protectHFS', 'true'],
  ['core.protectNTFS', 'true'],
  // Larger files are streamed: a packed one of gigabytes needs no memory.
  ['core.bigFileThreshold', '16m'],
  ['credential.helper', ''],
  ['fetch.fsckObjects', 'true'],
  ['transfer.fsckObjects', 'true'],
  ...harmless.map((id): [string, string] => [`fetch.fsck.${id}`, 'ignore']),
  // A fetch leaves one pack, which is written through to the disk, and not a hundred loose objects, which are not.
  ['transfer.unpackLimit', '1'],
  ['http.followRedirects', 'false'],
  ['http.lowSpeedLimit', '1000'],
  ['http.lowSpeedTime', '60'],
  ['protocol.allow', 'never'],
  ['protocol.ext.allow', 'never'],
  ['protocol.file.allow', 'never'],
  ['protocol.https.allow', 'always'],
  ['submodule.recurse', 'false'],
  ['gc.auto', '0'],
  ['gc.packRefs', 'false'],
  ['maintenance.auto', 'false'],
  ['safe.directory', '*'],
]

const fixed = {
  LANG: 'C',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '/bin/false',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_LITERAL_PATHSPECS: '1',
}

/** The whole environment of one git call (git-scm.com/docs/git-config#ENVIRONMENT); of ours only PATH is passed on. */
export function environmentOf(call: {
  folder: string
  remote?: Remote
  environment?: Record<string, string>
}): Record<string, string> {
  const { remote } = call
  const protocol = remote ? new URL(remote.origin).protocol.slice(0, -1) : ''
  const entries = [...settings]
  if (protocol === 'http') entries.push(['protocol.http.allow', 'always'])
  if (remote?.pin) entries.push(['http.curloptResolve', remote.pin])
  if (remote?.token) {
    const credentials = Buffer.from(`x-access-token:${remote.token}`).toString('base64')
    entries.push([`http.${remote.origin}/.extraHeader`, `Authorization: Basic ${credentials}`])
  }
  return {
    PATH: process.env.PATH ?? '',
    ...fixed,
    GIT_DIR: call.folder,
    GIT_ALLOW_PROTOCOL: protocol,
    ...call.environment,
    GIT_CONFIG_COUNT: String(entries.length),
    ...Object.fromEntries(
      entries.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  }
}
