import { parentPort } from 'node:worker_threads'
import { readYaml } from './read.ts'

parentPort?.on('message', ({ text, options }) => parentPort?.postMessage(readYaml(text, options)))
