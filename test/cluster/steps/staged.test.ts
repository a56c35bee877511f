import { stagedContract } from '../../contracts/staged.ts'

stagedContract('kubernetes')
