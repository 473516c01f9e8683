import type { Pool } from 'pg'
import { decided } from './simulated-world.ts'

/** The mail server refused; it may take the mail later, or never. */
export class MailRefused extends Error {
  override readonly name: string = 'MailRefused'
}

/** A mail that is to go out. */
export interface Mail {
  /** Names this mail for ever: one that comes again with the same key is answered like the first, and goes out once. */
  readonly idempotencyKey: string
  readonly orderId: string
  readonly about: string
}

/** Somebody who sends mails. */
export interface MailServer {
  /** @throws MailRefused */
  send(mail: Mail, attempt: number): Promise<void>
}

/** What a mail server does with the mails of one order: one in twenty is refused once, one in forty for ever. */
export function mailBehaviour(seed: number, orderId: string): 'taken' | 'refused-once' | 'refused' {
  const luck = decided(seed, 'mail', orderId)
  return luck < 1 / 40 ? 'refused' : luck < 3 / 40 ? 'refused-once' : 'taken'
}

/**
 * A mail server that behaves the same way for the same seed, and knows by their keys which mails it has sent.
 *
 * @param books - its own memory, which no crash of a service reaches
 */
export function simulatedMailServer(seed: number, books: Pick<Pool, 'query'>): MailServer {
  return {
    async send({ idempotencyKey, orderId, about }, attempt) {
      const behaviour = mailBehaviour(seed, orderId)
      if (behaviour === 'refused') throw new MailRefused('mailbox unavailable')
      if (behaviour === 'refused-once' && attempt === 1) throw new MailRefused('try again later')
      await books.query(
        `insert into mail_server_mails (idempotency_key, order_id, about) values ($1, $2, $3)
         on conflict (idempotency_key) do update set asked = mail_server_mails.asked + 1`,
        [idempotencyKey, orderId, about],
      )
    },
  }
}
