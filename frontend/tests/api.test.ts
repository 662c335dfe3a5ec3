import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api, ApiError } from '../src/api'

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
function halting(body: string, pause: number | null): typeof answer {
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
  answer = halting(JSON.stringify({ room: 'lobby', messages: [], more: false }), 50_000)
  const page = outcome(api.messages('lobby', { before: 9, limit: 50 }))
  await vi.advanceTimersByTimeAsync(49_000)
  expect(page()).toBe('pending')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(page()).toMatchObject({ more: false })
})

test('one that does not end is given up after a minute, one that does not begin after ten seconds', async () => {
  answer = halting('{}', null)
  const endless = outcome(api.rooms())
  await vi.advanceTimersByTimeAsync(59_999)
  expect(endless()).toBe('pending')
  await vi.advanceTimersByTimeAsync(1)
  expect(endless()).toMatchObject({ status: 0, code: 'unreachable' })

  answer = givenUp
  const silent = outcome(api.rooms())
  await vi.advanceTimersByTimeAsync(9_999)
  expect(silent()).toBe('pending')
  await vi.advanceTimersByTimeAsync(1)
  expect(silent()).toMatchObject({ status: 0, code: 'unreachable' })
  expect(vi.getTimerCount()).toBe(0)
})

test('errors say what the server said, whichever way it names the fields', async () => {
  const refused = (body: unknown, status: number) => async () => Response.json(body, { status })
  answer = refused({ title: 'Bad', detail: 'Not like that.', code: 'invalid', errors: { slug: ['Taken.', 'Really.'] } }, 409)
  await expect(api.rooms()).rejects.toMatchObject({
    status: 409, code: 'invalid', message: 'Not like that.', fields: { slug: 'Taken. Really.' },
  })
  answer = refused({ title: 'Bad', errors: [{ loc: ['body', 'slug'], msg: 'Too long.' }] }, 422)
  await expect(api.rooms()).rejects.toMatchObject({ status: 422, code: '422', message: 'Bad', fields: { slug: 'Too long.' } })
  answer = async () => new Response('<html>', { status: 502 })
  await expect(api.rooms()).rejects.toMatchObject({ status: 502, message: 'The server could not do that.' })
})

test('whoever signs out waits for nothing they asked before', async () => {
  answer = givenUp
  const list = outcome(api.rooms())
  answer = () => Promise.resolve(new Response(null, { status: 204 }))
  vi.stubGlobal('document', { cookie: 'csrftoken=abc' })
  await expect(api.signOut()).resolves.toBeUndefined()
  expect(list()).toMatchObject({ status: 0 })
})

test('a list is read page by page, to its end or to the bound', async () => {
  const asked: string[] = []
  let pages = 3
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(url)
    const next = asked.length < pages ? `c/${asked.length}` : null
    return Response.json({ rooms: [{ slug: `room-${asked.length}` }], more: next !== null, next })
  })
  expect((await api.rooms()).map(({ slug }) => slug)).toEqual(['room-1', 'room-2', 'room-3'])
  expect(asked[2]).toBe('/api/rooms?limit=500&after=c%2F2')
  asked.length = 0
  pages = 1000
  expect((await api.rooms()).length).toBe(asked.length)
  expect(asked.length).toBeLessThan(10)
})
