import { decided } from './simulated-world.ts'

/** The mail server refused; it may take the mail later, or never. */
export class MailRefused extends Error {
  override readonly name: string = 'MailRefused'
}

/** What a mail server does with the mails of one order: one in twenty is refused once, one in forty for ever. */
export function mailBehaviour(seed: number, orderId: string): 'taken' | 'refused-once' | 'refused' {
  const luck = decided(seed, 'mail', orderId)
  return luck < 1 / 40 ? 'refused' : luck < 3 / 40 ? 'refused-once' : 'taken'
}

/** A mail server that behaves the same way for the same seed. */
export function simulatedMailServer(seed: number): {
  send(orderId: string, about: string, attempt: number): Promise<void>
} {
  return {
    async send(orderId, _about, attempt) {
      const behaviour = mailBehaviour(seed, orderId)
      if (behaviour === 'refused') throw new MailRefused('mailbox unavailable')
      if (behaviour === 'refused-once' && attempt === 1) throw new MailRefused('try again later')
    },
  }
}
