import { setUp } from './set-up.ts'

export default () => setUp(['redis', 'engine', 'registry'])
