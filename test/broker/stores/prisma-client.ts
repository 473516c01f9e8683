import { PrismaPg } from '@prisma/adapter-pg'
import * as runtime from '@prisma/client/runtime/client'

/** A Prisma client with one model. */
export interface PrismaClient {
  readonly stock: {
    update(args: { where: { sku: string }; data: { left: { increment: number } } }): Promise<unknown>
  }
  $transaction<R>(
    work: (tx: Omit<PrismaClient, runtime.ITXClientDenyList>) => Promise<R>,
    options?: {
      maxWait?: number
      timeout?: number
      isolationLevel?: 'ReadUncommitted' | 'ReadCommitted' | 'RepeatableRead' | 'Serializable'
    },
  ): Promise<R>
  // oxlint-disable-next-line typescript/no-explicit-any -- as Prisma has it
  $queryRawUnsafe<T = unknown>(query: string, ...values: any[]): Promise<T>
  // oxlint-disable-next-line typescript/no-explicit-any -- as Prisma has it
  $executeRawUnsafe(query: string, ...values: any[]): Promise<number>
  $disconnect(): Promise<void>
}

const SCHEMA = `datasource db {
  provider = "postgresql"
}

model Stock {
  sku  String @id
  left Int
}
`

/** The table of the model. */
export const STOCK_SQL = 'create table "Stock" (sku text primary key, "left" integer not null)'

/**
 * Prisma's own client, engine and adapter. What `prisma generate` would write for the schema is made here: that command comes with a package
 * that downloads programs when it is installed, from elsewhere than npm.
 */
export function createPrismaClient(connectionString: string): PrismaClient {
  const Client = runtime.getPrismaClient({
    previewFeatures: [],
    clientVersion: '7.0.0',
    engineVersion: 'none',
    activeProvider: 'postgresql',
    inlineSchema: SCHEMA,
    runtimeDataModel: {
      models: {
        Stock: {
          dbName: null,
          schema: null,
          fields: [
            { name: 'sku', kind: 'scalar', type: 'String' },
            { name: 'left', kind: 'scalar', type: 'Int' },
          ],
        },
      },
      enums: {},
      types: {},
    } as unknown as runtime.GetPrismaClientConfig['runtimeDataModel'],
    parameterizationSchema: { strings: [], graph: 'AAAA' }, // an empty one: each query is compiled anew
    compilerWasm: {
      getRuntime: () => compiler(''),
      async getQueryCompilerWasmModule() {
        const { wasm } = await compiler<{ readonly wasm: string }>('.wasm-base64')
        const { Module } = Reflect.get(globalThis, 'WebAssembly') as { Module: new (bytes: Uint8Array) => never }
        return new Module(Buffer.from(wasm, 'base64'))
      },
      importName: './query_compiler_fast_bg.js',
    },
  })
  return new Client({ adapter: new PrismaPg({ connectionString }) }) as unknown as PrismaClient
}

/** A part of Prisma's query compiler. */
async function compiler<Part>(name: string): Promise<Part> {
  return (await import(`@prisma/client/runtime/query_compiler_fast_bg.postgresql${name}.mjs`)) as Part
}
