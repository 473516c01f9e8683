/** The handler was not called, or its message was not acknowledged: the epoch has stopped. */
export class NothingBegins extends Error {
  constructor() {
    super('the epoch has stopped')
  }
}

/** The handler is not called again under the lease that it had: it was let go when a call timed out. The message begins anew. */
export class LeaseLetGo extends Error {
  constructor() {
    super('the lease was let go')
  }
}
