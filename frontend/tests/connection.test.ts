import { webcrypto } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ChatSocket, RequestFailed } from '../src/socket'
import { fullJitter, RESTART_CAP, RESTART_WINDOW, RETRY_BASE, RETRY_CAP } from '../src/socket/backoff'
import { uuid } from '../src/socket/environment'
import { TestNetwork } from './support/client'
import { HandSocket } from './support/wire'

let sockets: HandSocket[]
let network: TestNetwork
let chance: number
let chat: ChatSocket
let states: string[]

beforeEach(() => {
  vi.useFakeTimers()
  sockets = []
  states = []
  chance = 0.5
  network = new TestNetwork()
  chat = new ChatSocket({
    url: 'ws://chat.test/ws/',
    owner: '1',
    network,
    random: () => chance,
    open: () => {
      sockets.push(new HandSocket())
      return last()
    },
  })
  chat.on('state', ({ name }) => states.push(name))
})

afterEach(() => {
  chat.disconnect()
  vi.useRealTimers()
})

const last = () => sockets.at(-1)!
const passes = (ms: number) => vi.advanceTimersByTime(ms)

function connected(): HandSocket {
  chat.connect()
  last().greet()
  return last()
}

function waitingFor(): number {
  const { state } = chat
  if (state.name !== 'waiting') throw new Error(`the connection is ${state.name}, not waiting`)
  return state.retryAt - Date.now()
}

describe('coming up', () => {
  test('goes from connecting to open with the greeting', () => {
    chat.connect()
    expect(states).toEqual(['connecting'])
    last().greet()
    expect(states).toEqual(['connecting', 'open'])
  })

  test('connecting twice opens one socket', () => {
    connected()
    chat.connect()
    expect(sockets).toHaveLength(1)
  })

  test('gives up on a server that does not greet', () => {
    chat.connect()
    passes(10_000)
    expect(chat.state.name).toBe('waiting')
    expect(sockets[0]!.closedWith).toBe(1000)
  })

  test('a connection that was closed on request stays closed', () => {
    const socket = connected()
    chat.disconnect()
    expect(socket.closedWith).toBe(1000)
    network.change('offline')
    network.change('online')
    network.change('visible')
    passes(600_000)
    expect(sockets).toHaveLength(1)
    expect(chat.state.name).toBe('closed')
    chat.connect()
    expect(sockets).toHaveLength(2)
  })
})

describe('waits', () => {
  test('full jitter stays between zero and a ceiling that doubles up to the cap', () => {
    for (let attempt = 0; attempt < 40; attempt++) {
      const ceiling = Math.min(RETRY_CAP, RETRY_BASE * 2 ** attempt)
      expect(fullJitter(attempt, () => 0)).toBe(0)
      expect(fullJitter(attempt, () => 0.999_999)).toBeLessThanOrEqual(ceiling)
      expect(fullJitter(attempt, () => 0.5)).toBe(ceiling / 2)
    }
  })

  test('grow with each failure in a row and never beyond the cap', () => {
    chance = 0.999_999
    chat.connect()
    const waits: number[] = []
    for (let attempt = 0; attempt < 9; attempt++) {
      last().serverCloses(1006)
      waits.push(waitingFor())
      passes(waits.at(-1)!)
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000])
    expect(sockets).toHaveLength(10)
  })

  test('start small again after a connection that lasted', () => {
    chat.connect()
    for (let attempt = 0; attempt < 5; attempt++) {
      last().serverCloses(1006)
      passes(waitingFor())
    }
    last().greet()
    passes(11_000)
    last().serverCloses(1006)
    expect(waitingFor()).toBe(250)
  })

  test('stay short for a minute after a connection that lasted, for its server is restarting', () => {
    chance = 0.999_999
    connected()
    passes(11_000)
    last().serverCloses(1006)
    const waits: number[] = []
    for (let away = 0; away < 80_000; away += waits.at(-1)!) {
      waits.push(waitingFor())
      passes(waits.at(-1)!)
      last().serverCloses(1006)
    }
    expect(waits.slice(0, 6)).toEqual([500, 1_000, 2_000, 4_000, 4_000, 4_000])
    expect(waits.filter((wait) => wait <= RESTART_CAP).reduce((sum, wait) => sum + wait, 0)).toBeGreaterThan(RESTART_WINDOW - RESTART_CAP)
    expect(waits.at(-1)).toBe(RETRY_CAP)
  })

  test('do not start small for a server that greets and hangs up', () => {
    chat.connect()
    for (let attempt = 0; attempt < 5; attempt++) {
      last().greet()
      last().serverCloses(1006)
      passes(waitingFor())
    }
    last().greet()
    last().serverCloses(1006)
    expect(waitingFor()).toBe(8_000)
  })

  test('a restarting server is come back to within a second, spread by chance', () => {
    for (const [roll, wait] of [[0, 0], [0.5, 500], [0.9, 900]] as const) {
      chance = roll
      chat.connect()
      last().greet()
      last().serverCloses(1012)
      expect(waitingFor()).toBe(wait)
      chat.disconnect()
    }
  })

  test('rate abuse is left alone for half a minute or more', () => {
    connected().serverCloses(4009)
    expect(waitingFor()).toBe(45_000)
    network.change('visible')
    passes(29_000)
    expect(sockets).toHaveLength(1)
    passes(16_000)
    expect(sockets).toHaveLength(2)
  })

  test('a handshake that was one too many is tried again after seconds, later each time', () => {
    chat.connect()
    const waits: number[] = []
    for (let attempt = 0; attempt < 6; attempt++) {
      last().serverCloses(4009)
      waits.push(waitingFor())
      passes(waits.at(-1)!)
    }
    expect(waits).toEqual([2_000, 3_000, 5_000, 9_000, 11_000, 11_000])
  })

  test('a page in view does not wait long after a handshake over the limit', () => {
    chat.connect()
    last().serverCloses(4009)
    network.change('visible')
    expect(waitingFor()).toBe(250)
  })

  test('start small again after a drain that ended a connection that lasted', () => {
    chat.connect()
    for (let attempt = 0; attempt < 5; attempt++) {
      last().serverCloses(1006)
      passes(waitingFor())
    }
    last().greet()
    passes(11_000)
    last().say({ type: 'drain', after_ms: 1_000 })
    passes(500)
    last().serverCloses(1006)
    expect(waitingFor()).toBe(250)
  })

  test('connect during a wait tries now', () => {
    connected().serverCloses(1006)
    chat.connect()
    expect(sockets).toHaveLength(2)
  })

  test.each([4000, 4008, 1001, 1006, 1009, 1011])('close code %i is come back from', (code) => {
    connected().serverCloses(code)
    passes(waitingFor())
    expect(sockets).toHaveLength(2)
  })
})

describe('refusal', () => {
  test.each([4001, 4003, 4010])('close code %i ends the attempts', (code) => {
    connected().serverCloses(code)
    expect(chat.state).toEqual({ name: 'refused', code })
    network.change('online')
    passes(600_000)
    expect(sockets).toHaveLength(1)
  })
})

describe('drain', () => {
  test('moves to a new socket at a moment of its own within the time given', () => {
    const socket = connected()
    socket.say({ type: 'drain', after_ms: 8_000 })
    passes(3_999)
    expect(sockets).toHaveLength(1)
    passes(1)
    expect(sockets).toHaveLength(2)
    expect(socket.closedWith).toBe(1000)
    last().greet()
    expect(states).toEqual(['connecting', 'open', 'connecting', 'open'])
  })

  test('the close that follows an early drain does not move twice', () => {
    const socket = connected()
    socket.say({ type: 'drain', after_ms: 8_000 })
    socket.serverCloses(1012)
    passes(500)
    last().greet()
    passes(8_000)
    expect(sockets).toHaveLength(2)
  })
})

describe('heartbeat', () => {
  test('pings a silent line and lives as long as it answers', () => {
    const socket = connected()
    for (let minute = 0; minute < 5; minute++) {
      passes(20_000)
      expect(socket.pings()).toBe(minute + 1)
      socket.say({ type: 'pong', re: null })
    }
    expect(sockets).toHaveLength(1)
  })

  test('is quiet on a busy line', () => {
    const socket = connected()
    for (let second = 0; second < 60; second += 5) {
      passes(5_000)
      socket.say({ type: 'typing', room: 'lobby', user: { id: 2, name: 'bob' } })
    }
    expect(socket.pings()).toBe(0)
  })

  test('takes a line for dead after two and a half heartbeats', () => {
    connected()
    passes(49_999)
    expect(chat.state.name).toBe('open')
    passes(1)
    expect(chat.state.name).toBe('waiting')
  })

  test('follows the interval that the server names', () => {
    chat.connect()
    last().greet(4)
    passes(4_000)
    expect(last().pings()).toBe(1)
    passes(6_000)
    expect(chat.state.name).toBe('waiting')
  })
})

describe('the device', () => {
  test('going offline gives the socket up at once and says so', () => {
    const socket = connected()
    network.change('offline')
    expect(socket.closedWith).toBe(1000)
    expect(chat.state).toMatchObject({ name: 'waiting', offline: true })
  })

  test('still tries now and then while offline: browsers are known to err', () => {
    connected()
    network.change('offline')
    expect(waitingFor()).toBe(15_000)
    passes(15_000)
    expect(sockets).toHaveLength(2)
  })

  test('coming online reconnects at once, with a little jitter', () => {
    connected()
    network.change('offline')
    network.change('online')
    expect(waitingFor()).toBe(250)
    passes(250)
    expect(sockets).toHaveLength(2)
  })

  test('coming into view cuts a long wait short', () => {
    chance = 0.9
    chat.connect()
    for (let attempt = 0; attempt < 6; attempt++) {
      last().serverCloses(1006)
      passes(20_000)
    }
    last().serverCloses(1006)
    expect(waitingFor()).toBe(18_000)
    network.change('visible')
    expect(waitingFor()).toBe(450)
  })

  test('coming into view asks an open line whether it is alive', () => {
    const socket = connected()
    network.change('visible')
    expect(socket.pings()).toBe(1)
    passes(5_000)
    expect(chat.state.name).toBe('waiting')
  })

  test('a line that answers the question stays', () => {
    const socket = connected()
    network.change('visible')
    passes(100)
    socket.say({ type: 'pong', re: null })
    passes(10_000)
    expect(chat.state.name).toBe('open')
  })
})

describe('requests', () => {
  const history = { type: 'history', room: 'lobby', before: 9 } as const

  test('resolve with their own reply', async () => {
    const socket = connected()
    const [first, second] = [chat.request(history), chat.request(history)]
    const [one, two] = socket.sent.map(({ id }) => id)
    socket.say({ type: 'history.page', re: two, room: 'lobby', messages: [], more: false })
    socket.say({ type: 'history.page', re: one, room: 'lobby', messages: [], more: true })
    await expect(first).resolves.toMatchObject({ more: true })
    await expect(second).resolves.toMatchObject({ more: false })
  })

  test('fail with the code of the error', async () => {
    const socket = connected()
    const answer = chat.request(history)
    socket.say({ type: 'error', re: socket.sent[0]!.id, code: 'no_such_room', message: 'There is no such room.' })
    await expect(answer).rejects.toMatchObject({ code: 'no_such_room', message: 'There is no such room.' })
  })

  test('fail when the line is cut, when no reply comes, and when there is no line', async () => {
    await expect(chat.request(history)).rejects.toMatchObject({ code: 'disconnected' })
    connected()
    const cut = chat.request(history)
    last().serverCloses(1006)
    await expect(cut).rejects.toBeInstanceOf(RequestFailed)
    passes(20_000)
    last().greet()
    const lost = chat.request(history)
    passes(10_000)
    last().answerPing()
    await expect(lost).rejects.toMatchObject({ code: 'timeout' })
  })

  test('wait for a reply that is long on its way, and ask after it once', async () => {
    const socket = connected()
    const page = chat.request(history)
    const { id } = socket.sent[0]!
    passes(9_999)
    expect(socket.pings()).toBe(0)
    passes(20_000)
    expect(socket.sent.filter((frame) => frame.type === 'ping' && frame.id !== undefined)).toHaveLength(1)
    socket.say({ type: 'history.page', re: id, room: 'lobby', messages: [], more: false })
    await expect(page).resolves.toMatchObject({ type: 'history.page' })
    // The answer to the question comes behind the page, and means nothing any more.
    socket.answerPing()
    passes(20_000)
    expect(chat.state.name).toBe('open')
  })

  test('one ping asks after all late replies, the next after later ones', async () => {
    const socket = connected()
    const failures: string[] = []
    const ask = (name: string) => void chat.request(history).catch(({ code }: RequestFailed) => failures.push(`${name} ${code}`))
    ask('one')
    passes(1)
    ask('two')
    passes(9_999)
    expect(socket.pings()).toBe(1)
    passes(1)
    expect(socket.pings()).toBe(1)
    socket.answerPing()
    await vi.waitFor(() => expect(failures).toEqual(['one timeout']))
    expect(socket.pings()).toBe(2)
    socket.answerPing()
    await vi.waitFor(() => expect(failures).toEqual(['one timeout', 'two timeout']))
    expect(socket.pings()).toBe(2)
  })

  test('give up a server that talks on and answers nothing for two minutes', async () => {
    const socket = connected()
    const page = chat.request(history)
    for (let second = 0; second < 119; second++) {
      passes(1_000)
      socket.say({ type: 'typing', room: 'lobby', user: { id: 2, name: 'bob' } })
    }
    expect(chat.state.name).toBe('open')
    passes(1_000)
    expect(chat.state.name).toBe('waiting')
    await expect(page).rejects.toMatchObject({ code: 'disconnected' })
  })

  test('of a socket that is gone are not asked after on the next', async () => {
    connected()
    const cut = chat.request(history)
    passes(9_000)
    last().serverCloses(1006)
    await expect(cut).rejects.toMatchObject({ code: 'disconnected' })
    passes(250)
    last().greet()
    passes(10_000)
    expect(last().pings()).toBe(0)
  })

  test('are bounded', async () => {
    connected()
    const answers = Array.from({ length: 257 }, () => chat.request(history).catch((error: RequestFailed) => error.code))
    chat.disconnect()
    const codes = await Promise.all(answers)
    expect(codes.filter((code) => code === 'busy')).toHaveLength(1)
    expect(codes.filter((code) => code === 'disconnected')).toHaveLength(256)
  })
})

test('what is no frame is ignored', () => {
  const socket = connected()
  for (const data of ['pong', '{', 'null', '[]', new ArrayBuffer(2)]) socket.onmessage?.({ data })
  socket.say({ type: 'error', re: null, code: 'bad_json', message: '' })
  socket.say({ type: 'something.new' })
  expect(chat.state.name).toBe('open')
})

test('keys are UUIDs, also where crypto.randomUUID is missing', () => {
  const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  expect(uuid()).toMatch(shape)
  vi.stubGlobal('crypto', { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => webcrypto.getRandomValues(bytes) })
  const made = new Set(Array.from({ length: 100 }, uuid))
  vi.unstubAllGlobals()
  expect(made.size).toBe(100)
  for (const key of made) expect(key).toMatch(shape)
})
