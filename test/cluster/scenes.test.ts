import { scenesContract } from '../contracts/scenes.ts'

scenesContract('kubernetes')
