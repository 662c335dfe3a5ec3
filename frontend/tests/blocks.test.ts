import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ChatSocket, ChatSocketEvents } from '../src/socket'
import { Emitter } from '../src/socket/emitter'
import { useBlocks } from '../src/stores/blocks'

const BOB = { id: 2, name: 'bob' }
const asked: string[] = []
let answer: (method: string, url: string) => Response

beforeEach(() => {
  setActivePinia(createPinia())
  asked.length = 0
  vi.stubGlobal('document', { cookie: 'csrftoken=abc' })
  vi.stubGlobal('fetch', async (url: string, { method }: { method: string }) => {
    asked.push(`${method} ${url}`)
    return answer(method, url)
  })
})

afterEach(() => vi.unstubAllGlobals())

test('a person is blocked and not blocked any more', async () => {
  const blocks = useBlocks()
  answer = (method) => (method === 'POST' ? Response.json(BOB, { status: 201 }) : new Response(null, { status: 204 }))
  await blocks.block(BOB)
  expect(blocks.has(2)).toBe(true)
  await blocks.unblock(BOB)
  expect(blocks.has(2)).toBe(false)
  expect(asked).toEqual(['POST /api/blocks', 'DELETE /api/blocks/2'])
})

test('a block that was refused is not shown', async () => {
  const blocks = useBlocks()
  answer = () => Response.json({ title: 'No', detail: 'Too many.', code: 'rate_limited' }, { status: 429 })
  await expect(blocks.block(BOB)).rejects.toThrow('Too many.')
  expect(blocks.has(2)).toBe(false)
})

test('a block that another device ended is gone here', async () => {
  const blocks = useBlocks()
  answer = () => Response.json({ users: [BOB] })
  await blocks.load()
  expect(blocks.all).toEqual([BOB])
  answer = () => Response.json({ title: 'No', code: 'not_found' }, { status: 404 })
  await blocks.unblock(BOB)
  expect(blocks.all).toEqual([])
})

test('views that need the list at once ask one time', async () => {
  const blocks = useBlocks()
  answer = () => Response.json({ users: [BOB] })
  blocks.ensure()
  blocks.ensure()
  await blocks.load()
  blocks.ensure()
  expect(asked).toEqual(['GET /api/blocks'])
})

describe('another device', () => {
  let socket: Emitter<ChatSocketEvents>
  const changed = (): void => socket.emit('blocks.updated', { type: 'blocks.updated' })

  beforeEach(() => {
    socket = new Emitter()
    useBlocks().listen(socket as unknown as ChatSocket)
    answer = () => Response.json({ users: [BOB] })
  })

  test('its block is shown where the list is', async () => {
    const blocks = useBlocks()
    changed()
    expect(asked).toEqual([])
    answer = () => Response.json({ users: [] })
    await blocks.load()
    answer = () => Response.json({ users: [BOB] })
    changed()
    await vi.waitFor(() => expect(blocks.has(2)).toBe(true))
  })

  test('its block overtakes no answer that is on its way', async () => {
    const blocks = useBlocks()
    answer = () => Response.json({ users: [] })
    const first = blocks.load()
    answer = () => Response.json({ users: [BOB] })
    changed()
    await first
    await vi.waitFor(() => expect(blocks.has(2)).toBe(true))
    expect(asked).toEqual(['GET /api/blocks', 'GET /api/blocks'])
  })

  test('the next view after an outage reads the list again', async () => {
    const blocks = useBlocks()
    await blocks.load()
    socket.emit('hello', {} as never)
    blocks.ensure()
    await vi.waitFor(() => expect(asked).toHaveLength(2))
  })
})
