// Sends rows of the outbox, and nothing else: one worker more beside those in the services. Start as many as you like, also none: any relay sends
// anybody's rows, and those of a process that was killed go to the others when its lease has run out.
import { createServiceOutbox } from '../shared/outbox.ts'
import { createSurroundings } from '../shared/surroundings.ts'

const surroundings = createSurroundings('outbox-relay', 4) // one listens; the others ask
const { sending } = createServiceOutbox(surroundings)

await surroundings.run([sending], async () => sending.open?.())
