import { parentPort } from 'node:worker_threads'
import { readYaml } from './read.ts'

parentPort?.on('message', ({ text, limits }) => parentPort?.postMessage(readYaml(text, limits)))
parentPort?.postMessage('ready')
