/**
 * What a connection opens: a WebSocket, or an event stream that behaves as one where no WebSocket gets through.
 *
 * Some networks refuse upgrades, or swallow them. The stream is tried when a socket was not opened in PATIENCE, or REFUSED times
 * in a row. On a stream a socket is tried now and then; once one greets, the stream ends and the connection comes back by socket.
 */
import { Close } from '../protocol'
import { atLeast } from './backoff'
import type { Clock, WireSocket } from './environment'

export interface TransportOptions {
  openSocket: (url: string) => WireSocket
  openStream: () => WireSocket
  clock: Clock
  random: () => number
}

const PATIENCE = 4_000
const REFUSED = 2
const FIRST_PROBE = 15_000
const PROBE_EVERY = 60_000

/** Opens transports that remember how the earlier ones went. */
export function transports(options: TransportOptions): (url: string) => WireSocket {
  const memory = { refused: 0 }
  return (url) => new Transport(url, options, memory)
}

class Transport implements WireSocket {
  readyState = 0
  onmessage: WireSocket['onmessage'] = null
  onclose: WireSocket['onclose'] = null
  onerror: WireSocket['onerror'] = null
  private wire: WireSocket
  private probing: WireSocket | null = null
  private timer: unknown
  private streaming = false

  constructor(
    private readonly url: string,
    private readonly options: TransportOptions,
    private readonly memory: { refused: number },
  ) {
    if (memory.refused >= REFUSED) {
      this.wire = this.stream()
    } else {
      this.wire = this.socket()
      this.timer = options.clock.setTimeout(() => this.unheard(), PATIENCE)
    }
  }

  send(data: string): void {
    this.wire.send(data)
  }

  close(code?: number): void {
    this.unheardStream()
    this.end()
    this.wire.close(code)
  }

  private socket(): WireSocket {
    const socket = this.options.openSocket(this.url)
    let heard = false
    socket.onmessage = (event) => {
      if (!heard) this.opened()
      heard = true
      this.onmessage?.(event)
    }
    socket.onclose = ({ code }) => {
      // 1006: it never opened, or the line broke. A server that answers says another code.
      if (!heard && code === 1006) this.memory.refused += 1
      this.closed(code)
    }
    socket.onerror = (event) => this.onerror?.(event)
    return socket
  }

  private opened(): void {
    this.readyState = 1
    this.memory.refused = 0
    this.options.clock.clearTimeout(this.timer)
  }

  /** The socket neither opened nor failed: something on the way swallows it. */
  private unheard(): void {
    this.memory.refused = REFUSED
    this.wire.onmessage = this.wire.onclose = null
    this.wire.close()
    this.wire = this.stream()
  }

  private stream(): WireSocket {
    this.streaming = true
    const stream = this.options.openStream()
    stream.onmessage = (event) => {
      this.readyState = 1
      this.onmessage?.(event)
    }
    stream.onclose = ({ code }) => {
      this.unheardStream()
      this.closed(code)
    }
    this.probe(FIRST_PROBE)
    return stream
  }

  /** Neither gets through if a stream ends without a word: the server is away, and the next attempt is a socket again. */
  private unheardStream(): void {
    if (this.streaming && this.readyState === 0) this.memory.refused = 0
  }

  /** Tries a socket beside the stream. */
  private probe(ms: number): void {
    this.timer = this.options.clock.setTimeout(() => {
      const socket = (this.probing = this.options.openSocket(this.url))
      socket.onmessage = () => {
        this.memory.refused = 0
        this.wire.onmessage = this.wire.onclose = null
        this.wire.close()
        this.closed(Close.SERVICE_RESTART)
      }
      socket.onclose = () => (this.probing = null)
      this.timer = this.options.clock.setTimeout(() => {
        this.forgetProbe()
        this.probe(atLeast(PROBE_EVERY, this.options.random))
      }, PATIENCE)
    }, ms)
  }

  private closed(code: number): void {
    this.end()
    this.onclose?.({ code })
  }

  private end(): void {
    this.readyState = 3
    this.options.clock.clearTimeout(this.timer)
    this.forgetProbe()
  }

  private forgetProbe(): void {
    if (!this.probing) return
    this.probing.onmessage = this.probing.onclose = null
    this.probing.close()
    this.probing = null
  }
}
