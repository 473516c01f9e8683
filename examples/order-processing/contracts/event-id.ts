/**
 * The id of an event, made of what happened: the same order is confirmed once, however often a crash makes a service say so. Its
 * readers recognise the repetition by the id. Give it as `send`'s `id`; a generated one would be a new event each time.
 */
export function eventId(event: { readonly type: string; readonly orderId: string }, detail?: string): string {
  return [event.orderId, event.type, detail].filter((part) => part !== undefined).join('/')
}
