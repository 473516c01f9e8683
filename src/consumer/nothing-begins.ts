/** The handler was not called, or its message was not acknowledged: the epoch has stopped. */
export class NothingBegins extends Error {
  constructor() {
    super('the epoch has stopped')
  }
}

/**
 * The handler was not called: something before the message in its batch waits for a message that somebody else holds. Whoever that is may wait for
 * this one, so its lease is let go meanwhile.
 */
export class LetsOthersGo extends Error {
  constructor() {
    super('a message before it in its batch is held by somebody else')
  }
}

/** The handler is not called again under the lease that it had: it was let go when a call timed out. The message begins anew. */
export class LeaseLetGo extends Error {
  constructor() {
    super('the lease was let go')
  }
}
