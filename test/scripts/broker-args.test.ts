import { expect, test } from 'vitest'
import { parseBrokerArgs } from '../../scripts/broker-args.ts'

const defaults = { kind: 'start', nodes: 1, topics: [], postgres: false, redis: false, json: false }

test('starts one Kafka node and nothing else when nothing is asked for', () => {
  expect(parseBrokerArgs([])).toEqual(defaults)
})

test('takes every documented flag, the node count in both spellings', () => {
  const all = { kind: 'start', nodes: 3, topics: ['a', 'a.dlq'], postgres: true, redis: true, json: true }
  expect(parseBrokerArgs(['--nodes', '3', '--topics', 'a,a.dlq', '--postgres', '--redis', '--json'])).toEqual(all)
  expect(parseBrokerArgs(['--nodes=3', '--json', '--redis', '--postgres', '--topics=a,a.dlq'])).toEqual(all)
})

test('reports all problems together, so that the user mends them in one go', () => {
  expect(parseBrokerArgs(['--nodes', '2', '--fast', 'now', '--json=yes'])).toEqual({
    kind: 'wrong',
    problems: [
      'unknown option: --fast',
      'unexpected argument: now',
      '--json takes no value',
      '--nodes takes 1 or 3, not 2',
    ],
  })
})

test('refuses --topics without names, or with names that are none', () => {
  const problems = ['--topics takes topic names with commas between them']
  for (const args of [['--topics'], ['--topics', 'a,,b'], ['--topics=a b']])
    expect(parseBrokerArgs(args)).toEqual({ kind: 'wrong', problems })
})

test('refuses --nodes without a number instead of falling back to one node', () => {
  expect(parseBrokerArgs(['--nodes'])).toEqual({ kind: 'wrong', problems: ['--nodes takes 1 or 3'] })
})

test('a wrong flag beside --help is still reported, since a script would otherwise take the help for success', () => {
  expect(parseBrokerArgs(['--help'])).toEqual({ kind: 'help' })
  expect(parseBrokerArgs(['--help', '--nope'])).toEqual({ kind: 'wrong', problems: ['unknown option: --nope'] })
})
