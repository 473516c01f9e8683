import { nameProblems, quoted } from '../../database/index.ts'
import type { Problem } from '../../errors/index.ts'
import { unknownOptions } from '../../options/index.ts'
import { storeRefusals } from '../store-refusals.ts'

/** Where entities keep their state, and where each state may lead. */
export interface StateGuardOptions<State extends string> {
  /** @defaultValue `public` */
  readonly schema?: string
  readonly table: string
  /** @defaultValue `id` */
  readonly idColumn?: string
  /** Of a type that text can be compared with and written to: text, varchar, an enum. @defaultValue `state` */
  readonly stateColumn?: string
  /** Each state, with those that it may go to. */
  readonly lifecycle: Readonly<Record<State, readonly NoInfer<State>[]>>
}

/** From which states a move may begin; made by {@link onlyFrom}. */
export interface OnlyFrom<State extends string> {
  readonly states: readonly State[]
}

/** What became of a move. */
export type Move<State extends string> =
  | { readonly kind: 'moved'; readonly from: State }
  /** It is there: the message has come before. */
  | { readonly kind: 'already' }
  /** It has been there, or has gone another way to a state that lies behind it: the message is late. */
  | { readonly kind: 'passed'; readonly state: State }
  /** It is where this move does not begin. */
  | { readonly kind: 'refused'; readonly state: State }
  | { readonly kind: 'missing' }

/** Moves entities from state to state, each move once and none out of turn. */
export interface StateGuard<State extends string> {
  /**
   * Moves an entity if it is where the move may begin, in one statement: of several at the same moment one moves it, and the others see where
   * it is then.
   *
   * @param tx - the handler's transaction (`context.tx`), or a pool: then the move is a transaction of its own
   * @param from - @defaultValue every state of the lifecycle that may lead there
   * @throws HOLDFAST_CONFIG_INVALID when the lifecycle has no such move; what the database says.
   */
  move(tx: Statements, id: string | number | bigint, to: State, from?: OnlyFrom<State>): Promise<Move<State>>
}

/** Whatever runs a statement of PostgreSQL, as pg does. */
export interface Statements {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>
}

/** The move may begin in these states alone. */
export function onlyFrom<const State extends string>(...states: readonly State[]): OnlyFrom<State> {
  return { states }
}

/**
 * Makes a {@link StateGuard} on a column of a table: idempotence without an inbox, where an entity's state says what was done already.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function postgresStateGuard<State extends string>(options: StateGuardOptions<State>): StateGuard<State> {
  const { schema = 'public', table, idColumn = 'id', stateColumn = 'state', lifecycle } = options
  const problems = [
    ...Object.entries({ schema, table, idColumn, stateColumn }).flatMap(([path, name]) => nameProblems(path, name)),
    ...lifecycleProblems(lifecycle),
    ...unknownOptions(options, ['schema', 'table', 'idColumn', 'stateColumn', 'lifecycle']),
  ]
  if (problems.length > 0) throw storeRefusals.unfitOptions(GUARD, problems)
  const [where, id, state] = [`${quoted(schema)}.${quoted(table)}`, quoted(idColumn), quoted(stateColumn)]
  const statement = `with standing as (select ${id}, ${state}::text as state from ${where} where ${id} = $1 for update),
  moved as (
    update ${where} as entity set ${state} = $2 from standing
    where entity.${id} = standing.${id} and standing.state = any($3::text[]) returning 1
  )
select state, exists (select from moved) as moved from standing`

  const leadingTo = (to: State): readonly State[] =>
    (Object.keys(lifecycle) as State[]).filter((each) => lifecycle[each].includes(to))
  const behind = new Map((Object.keys(lifecycle) as State[]).map((each) => [each, reachable(lifecycle, each)]))

  return {
    async move(tx, entity, to, from) {
      const may = leadingTo(to)
      const wanted = from?.states ?? may
      const unfit = wanted.filter((each) => !may.includes(each))
      if (wanted.length === 0 || unfit.length > 0) throw noSuchMove(unfit, to)
      const { rows } = await tx.query(statement, [entity, to, wanted])
      const [row] = rows as readonly { readonly state: State; readonly moved: boolean }[]
      if (row === undefined) return { kind: 'missing' }
      if (row.moved) return { kind: 'moved', from: row.state }
      if (row.state === to) return { kind: 'already' }
      return { kind: behind.get(to)!.has(row.state) ? 'passed' : 'refused', state: row.state }
    },
  }
}

const GUARD = 'state guard'

/** Every state that can come after it. */
function reachable<State extends string>(
  lifecycle: Readonly<Record<State, readonly State[]>>,
  from: State,
): ReadonlySet<State> {
  const found = new Set<State>()
  const visit = (each: State): void => {
    for (const next of lifecycle[each]) {
      if (found.has(next)) continue
      found.add(next)
      visit(next)
    }
  }
  visit(from)
  return found
}

function lifecycleProblems(lifecycle: Readonly<Record<string, readonly string[]>>): Problem[] {
  if (typeof lifecycle !== 'object' || lifecycle === null)
    return [{ path: 'lifecycle', message: 'each state with those that it may go to is needed' }]
  return Object.entries(lifecycle).flatMap(([state, next]) => {
    const path = `lifecycle.${state}`
    if (!Array.isArray(next)) return [{ path, message: 'must list the states that it may go to' }]
    return next
      .filter((each) => !Object.hasOwn(lifecycle, each))
      .map(() => ({ path, message: 'leads to a state that the lifecycle does not have' }))
  })
}

function noSuchMove(from: readonly string[], to: string): Error {
  const message =
    from.length === 0
      ? `nothing leads to ${to} in the lifecycle`
      : `${from.join(', ')} may not go to ${to} in the lifecycle`
  return storeRefusals.unfitOptions(GUARD, [{ path: 'from', message }])
}
