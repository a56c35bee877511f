import { github } from '@taxiway/git-host/github.ts'
import { describeGitHost } from '../../contracts/git-host.ts'
import { startGitHost } from '../../git-host/server.ts'

describeGitHost('github', {
  host: github,
  async start(folder) {
    const host = await startGitHost({ folder })
    return { ...host, apiUrl: `${host.url}/api/v3` }
  },
  words: { pending: 'pending', success: 'success', failure: 'failure', error: 'error' },
  events: { push: 'push', pullRequest: 'pull_request', ping: 'ping', other: 'star' },
})
