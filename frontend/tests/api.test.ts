import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api, ApiError, callAs } from '../src/api'

/** What the server does with the one request of a test: answer, or wait until it is given up. */
let answer: (signal: AbortSignal) => Promise<Response>

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('fetch', (_: string, { signal }: { signal: AbortSignal }) => answer(signal))
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const givenUp = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))

/** An answer whose body comes in two halves, the second after a while; null: never. */
function inHalves(body: string, pause: number | null): typeof answer {
  return async (signal) => {
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        const half = Math.ceil(body.length / 2)
        controller.enqueue(new TextEncoder().encode(body.slice(0, half)))
        givenUp(signal).catch((error) => controller.error(error))
        if (pause === null) return
        setTimeout(() => {
          controller.enqueue(new TextEncoder().encode(body.slice(half)))
          controller.close()
        }, pause)
      },
    })
    return new Response(stream)
  }
}

/** What became of a call, once it is known. */
function outcome<T>(call: Promise<T>): () => T | ApiError | 'pending' {
  let known: T | ApiError | 'pending' = 'pending'
  call.then(
    (value) => (known = value),
    (error: ApiError) => (known = error),
  )
  return () => known
}

test('an answer that has begun may take its time', async () => {
  answer = inHalves(JSON.stringify({ room: 'lobby', messages: [], more: false }), 50_000)
  const page = outcome(api.messages('lobby', { before: 9, limit: 50 }))
  await vi.advanceTimersByTimeAsync(49_000)
  expect(page()).toBe('pending')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(page()).toMatchObject({ more: false })
})

test('a request fails after ten seconds without an answer, and after a minute without its end', async () => {
  answer = inHalves('{}', null)
  const endless = outcome(api.myRooms())
  await vi.advanceTimersByTimeAsync(59_999)
  expect(endless()).toBe('pending')
  await vi.advanceTimersByTimeAsync(1)
  expect(endless()).toMatchObject({ status: 0, code: 'unreachable' })

  answer = givenUp
  const silent = outcome(api.myRooms())
  await vi.advanceTimersByTimeAsync(9_999)
  expect(silent()).toBe('pending')
  await vi.advanceTimersByTimeAsync(1)
  expect(silent()).toMatchObject({ status: 0, code: 'unreachable' })
  expect(vi.getTimerCount()).toBe(0)
})

test("errors have the server's text, in either form of its fields", async () => {
  const refused = (body: unknown, status: number) => async () => Response.json(body, { status })
  answer = refused({ title: 'Bad', detail: 'Not like that.', code: 'invalid', errors: { slug: ['Taken.', 'Really.'] } }, 409)
  await expect(api.myRooms()).rejects.toMatchObject({
    status: 409, code: 'invalid', message: 'Not like that.', fields: { slug: 'Taken. Really.' },
  })
  answer = refused({ title: 'Bad', errors: [{ loc: ['body', 'slug'], msg: 'Too long.' }] }, 422)
  await expect(api.myRooms()).rejects.toMatchObject({ status: 422, code: '422', message: 'Bad', fields: { slug: 'Too long.' } })
  answer = async () => new Response('<html>', { status: 502 })
  await expect(api.myRooms()).rejects.toMatchObject({ status: 502, message: 'The server could not do that.' })
})

test('signing out waits for no earlier request', async () => {
  answer = givenUp
  const list = outcome(api.myRooms())
  answer = () => Promise.resolve(new Response(null, { status: 204 }))
  vi.stubGlobal('document', { cookie: 'csrftoken=abc' })
  await expect(api.signOut()).resolves.toBeUndefined()
  expect(list()).toMatchObject({ status: 0 })
})

test('my rooms are read page by page, to their end or to the bound', async () => {
  const asked: string[] = []
  let pages = 3
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(url)
    const next = asked.length < pages ? `c/${asked.length}` : null
    return Response.json({ rooms: [{ slug: `room-${asked.length}`, member: true }], more: next !== null, next })
  })
  expect((await api.myRooms()).map(({ slug }) => slug)).toEqual(['room-1', 'room-2', 'room-3'])
  expect(asked[0]).toBe('/api/rooms?limit=100')
  expect(asked[2]).toBe('/api/rooms?limit=500&after=c%2F2')
  asked.length = 0
  pages = 1000
  expect((await api.myRooms()).length).toBe(asked.length)
  expect(asked.length).toBeLessThan(10)
})

test('no page is asked for behind the first public room', async () => {
  let asked = 0
  vi.stubGlobal('fetch', async () => {
    asked++
    return Response.json({ rooms: [{ slug: 'mine', member: true }, { slug: 'open', member: false }], more: true, next: 'p~open' })
  })
  expect(await api.myRooms()).toHaveLength(2)
  expect(asked).toBe(1)
})

test('a search names each id, and leaves out unset filters', async () => {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(url)
    return Response.json({ members: [], more: false, next: null })
  })
  expect(await api.members('café', { query: '', user: [3, 5], after: null, limit: 9 })).toEqual({ items: [], next: null })
  await api.members('team', { query: 'a&b', role: 'owner' })
  expect(asked).toEqual(['/api/rooms/caf%C3%A9/members?user=3&user=5&limit=9', '/api/rooms/team/members?query=a%26b&role=owner'])
})

test('calls name the person of the page, and a refusal for another person reaches the callback', async () => {
  const named: (string | undefined)[] = []
  vi.stubGlobal('document', { cookie: 'csrftoken=abc' })
  vi.stubGlobal('fetch', async (_: string, { headers }: { headers: Record<string, string> }) => {
    named.push(headers['Hubbub-User'])
    return Response.json({ code: 'other_user', detail: 'Another person is signed in.' }, { status: 412 })
  })
  const refused = vi.fn()
  callAs(7, refused)
  await expect(api.mentions()).rejects.toMatchObject({ status: 412, code: 'other_user' })
  await expect(api.block(8)).rejects.toMatchObject({ status: 412 })
  await expect(api.signOut()).rejects.toMatchObject({ status: 412 })
  expect(named).toEqual(['7', '7', '7'])
  expect(refused).toHaveBeenCalledTimes(3)
})
