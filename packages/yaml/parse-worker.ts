import { parentPort } from 'node:worker_threads'
import { readYaml } from './read.ts'

parentPort?.on('message', ({ text, limits, dialect }) => parentPort?.postMessage(readYaml(text, limits, dialect)))
parentPort?.postMessage('ready')
