import { scenesContract } from '../contracts/scenes.ts'

scenesContract('docker')
