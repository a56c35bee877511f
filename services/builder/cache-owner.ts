import type { Run } from '@taxiway/domain/run/run.ts'

/**
 * Who shares what earlier runs left: the trusted code of one repository. What nobody approved shares with nobody, not even with
 * other pull requests.
 */
export const cacheOwner = ({ repo, trusted, pullRequest }: Pick<Run, 'repo' | 'trusted' | 'pullRequest'>): string =>
  `${repo} ${trusted === false ? `of #${pullRequest?.number ?? 'nobody'}` : 'trusted'}`
