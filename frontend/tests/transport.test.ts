import { beforeEach, describe, expect, it, vi } from 'vitest'
import { StreamSocket } from '../src/socket/stream'
import { transports } from '../src/socket/transport'
import type { WireSocket } from '../src/socket/environment'
import { HandSocket } from './support/wire'

const clock = {
  now: () => Date.now(),
  setTimeout: (run: () => void, ms: number) => setTimeout(run, ms),
  clearTimeout: (handle: unknown) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}

describe('transports', () => {
  let sockets: HandSocket[]
  let streams: HandSocket[]
  let heard: unknown[]
  let codes: number[]
  let open: () => WireSocket

  beforeEach(() => {
    vi.useFakeTimers()
    sockets = []
    streams = []
    heard = []
    codes = []
    const made = (all: HandSocket[]) => () => {
      const one = new HandSocket()
      one.readyState = 0
      all.push(one)
      return one
    }
    const dial = transports({ openSocket: made(sockets), openStream: made(streams), clock, random: () => 0 })
    open = () => {
      const wire = dial('ws://x')
      wire.onmessage = ({ data }) => heard.push(JSON.parse(data as string))
      wire.onclose = ({ code }) => codes.push(code)
      return wire
    }
  })

  it('uses a socket that greets', () => {
    const wire = open()
    sockets[0]!.greet()
    wire.send('{"type":"ping"}')
    vi.advanceTimersByTime(100_000)
    expect(streams).toEqual([])
    expect(heard).toHaveLength(1)
    expect(sockets[0]!.sent).toEqual([{ type: 'ping' }])
  })

  it('takes the stream when a socket says nothing for four seconds', () => {
    open()
    vi.advanceTimersByTime(4_000)
    expect(sockets[0]!.closedWith).not.toBeNull()
    streams[0]!.greet()
    expect(heard).toHaveLength(1)
    expect(codes).toEqual([])
  })

  it('takes the stream after two refused sockets, and a socket again when neither gets through', () => {
    for (const number of [0, 1]) {
      open()
      sockets[number]!.serverCloses(1006)
    }
    open()
    expect(sockets).toHaveLength(2)
    streams[0]!.serverCloses(1006)
    open()
    expect(sockets).toHaveLength(3)
    expect(codes).toEqual([1006, 1006, 1006])
  })

  it('tries a socket again when a silent stream is given up', () => {
    const wire = open()
    vi.advanceTimersByTime(4_000)
    expect(streams).toHaveLength(1)
    // The connection waits no longer for a greeting.
    wire.close(1000)
    open()
    expect([sockets.length, streams.length]).toEqual([2, 1])
  })

  it('does not count a code of the server as refused by the network', () => {
    for (const number of [0, 1, 2]) {
      open()
      sockets[number]!.serverCloses(1012)
    }
    expect(streams).toEqual([])
  })

  it('returns to a socket when one works', () => {
    open()
    vi.advanceTimersByTime(4_000)
    streams[0]!.greet()
    vi.advanceTimersByTime(15_000)
    sockets[1]!.greet()
    expect(codes).toEqual([1012])
    expect(streams[0]!.closedWith).not.toBeNull()
    open()
    expect(sockets).toHaveLength(3)
    expect(heard).toHaveLength(1)
  })

  it('stays with the stream while no socket works', () => {
    open()
    vi.advanceTimersByTime(4_000)
    streams[0]!.greet()
    vi.advanceTimersByTime(200_000)
    expect(sockets.length).toBeGreaterThan(2)
    expect(sockets.slice(1).every((socket) => socket.closedWith !== null)).toBe(true)
    expect(codes).toEqual([])
  })
})

describe('a stream', () => {
  function answer(chunks: string[], status = 200): Response {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
        controller.close()
      },
    })
    return new Response(body, { status, headers: { 'Hubbub-Stream': 'a.b' } })
  }

  async function ended(response: Response): Promise<{ heard: unknown[]; code: number }> {
    vi.useRealTimers()
    const heard: unknown[] = []
    const stream = new StreamSocket(
      () => 'token',
      () => Promise.resolve(response),
    )
    stream.onmessage = ({ data }) => heard.push(data)
    return new Promise((resolve) => (stream.onclose = ({ code }) => resolve({ heard, code })))
  }

  it('hands on each event, wherever the network cut it', async () => {
    const { heard, code } = await ended(answer(['data: {"a"', ':1}\n\n: \n\nid: x\ndata: 2\n', '\nevent: close\ndata: {"code":1012}\n\n']))
    expect(heard).toEqual(['{"a":1}', '2'])
    expect(code).toBe(1012)
  })

  it.each([
    [401, 4001],
    [429, 4009],
    [503, 1006],
  ])('says %i as %i', async (status, code) => {
    expect((await ended(answer([], status))).code).toBe(code)
  })

  it('sends frames in order, one request at a time', async () => {
    vi.useRealTimers()
    const bodies: string[] = []
    let done: () => void = () => undefined
    const asked = ((url: string, init: RequestInit) => {
      if (url === '/api/stream') return Promise.resolve(new Response(new ReadableStream(), { headers: { 'Hubbub-Stream': 'a.b' } }))
      bodies.push(init.body as string)
      return new Promise<Response>((resolve) => (done = () => resolve(new Response('{}', { status: 202 }))))
    }) as typeof fetch
    const stream = new StreamSocket(() => 'token', asked)
    await vi.waitFor(() => expect(stream.readyState).toBe(1))
    stream.send('1')
    stream.send('2')
    stream.send('3')
    expect(bodies).toEqual(['[1]'])
    done()
    await vi.waitFor(() => expect(bodies).toEqual(['[1]', '[2,3]']))
  })

  /** A stream whose requests are answered by `answers` in turn: a status, or null for a lost one. */
  function answered(answers: (number | null)[], headers: HeadersInit = {}) {
    vi.useFakeTimers()
    const asked: { at: number; number: string | null; body: string }[] = []
    const codes: number[] = []
    const ask = ((url: string, init: RequestInit) => {
      if (url === '/api/stream') return Promise.resolve(new Response(new ReadableStream(), { headers: { 'Hubbub-Stream': 'a.b' } }))
      asked.push({ at: Date.now(), number: new Headers(init.headers).get('Hubbub-Request'), body: init.body as string })
      const status = answers.length > 1 ? answers.shift()! : answers[0]!
      return status === null ? Promise.reject(new TypeError('network')) : Promise.resolve(new Response('{}', { status, headers }))
    }) as typeof fetch
    const stream = new StreamSocket(() => 'token', ask, () => 0.5)
    stream.onclose = ({ code }) => codes.push(code)
    return { stream, asked, codes }
  }

  it.each([503, 502, 429, null])('repeats a request after %s, with its number and before later frames', async (status) => {
    const { stream, asked, codes } = answered([status, status, 202])
    await vi.advanceTimersByTimeAsync(0)
    stream.send('{"key":"a"}')
    await vi.advanceTimersByTimeAsync(0)
    stream.send('{"key":"b"}')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(asked.map(({ number, body }) => [number, body])).toEqual([
      ['1', '[{"key":"a"}]'],
      ['1', '[{"key":"a"}]'],
      ['1', '[{"key":"a"}]'],
      ['2', '[{"key":"b"}]'],
    ])
    expect(asked[1]!.at - asked[0]!.at).toBe(250)
    expect(asked[2]!.at - asked[1]!.at).toBe(500)
    expect(codes).toEqual([])
  })

  it('waits as long as the server asks', async () => {
    const { stream, asked } = answered([429, 202], { 'Retry-After': '2' })
    await vi.advanceTimersByTimeAsync(0)
    stream.send('1')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(asked[1]!.at - asked[0]!.at).toBe(3_000)
  })

  it.each([
    [503, 1006],
    [429, 4009],
    [null, 1006],
  ])('gives the stream up when %s does not end', async (status, code) => {
    const { stream, asked, codes } = answered([status])
    await vi.advanceTimersByTimeAsync(0)
    stream.send('1')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked).toHaveLength(6)
    expect(codes).toEqual([code])
  })

  it.each([
    [404, 1006],
    [401, 4001],
  ])('repeats nothing after %i', async (status, code) => {
    const { stream, asked, codes } = answered([status])
    await vi.advanceTimersByTimeAsync(0)
    stream.send('1')
    await vi.advanceTimersByTimeAsync(60_000)
    expect([asked.length, codes]).toEqual([1, [code]])
  })

  it('repeats nothing once it is closed', async () => {
    const { stream, asked } = answered([503])
    await vi.advanceTimersByTimeAsync(0)
    stream.send('1')
    await vi.advanceTimersByTimeAsync(0)
    stream.close()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked).toHaveLength(1)
  })

  it('is given up when too many frames wait', async () => {
    const { stream, codes } = answered([503])
    await vi.advanceTimersByTimeAsync(0)
    for (let number = 0; number < 1_002; number++) stream.send('1')
    expect(codes).toEqual([1006])
  })
})
