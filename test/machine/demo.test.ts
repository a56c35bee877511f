import { demoContract } from '../contracts/demo.ts'

demoContract('docker', async () => [])
