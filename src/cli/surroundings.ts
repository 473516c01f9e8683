/** What a command has around it: of a process, or of a test. */
export interface CliSurroundings {
  /** Where the configuration is looked for. */
  readonly folder: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What was asked for. */
  readonly output: TextOutput
  /** What went wrong. */
  readonly errors: TextOutput
  /** Aborts when the command is to end. */
  readonly signal: AbortSignal
  /** Asks who sits at the terminal. Absent: nobody does. */
  readonly ask?: (question: string) => Promise<string>
}

/** Where text goes. */
export interface TextOutput {
  write(text: string): void
  /** Is somebody looking at it? */
  readonly isTerminal: boolean
}
