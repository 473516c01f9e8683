/** Text of somebody else's for a terminal: what could move its cursor or change its colours is spelt out. Line ends and tabs stay. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (each) => `\\x${each.codePointAt(0)!.toString(16).padStart(2, '0')}`)
}

// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g
