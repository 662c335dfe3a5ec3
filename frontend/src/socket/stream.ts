/** `GET /api/stream` and `POST /api/frames` in the form of a WebSocket. */
import { Close } from '../protocol'
import type { WireSocket } from './environment'

/** Frames of one request, as the server takes them. */
const FRAMES = 50
/** A stream is never silent for longer than the heartbeat; a request that is has no way out. */
const ANSWER_TIMEOUT = 10_000

export class StreamSocket implements WireSocket {
  readyState = 0
  onmessage: WireSocket['onmessage'] = null
  onclose: WireSocket['onclose'] = null
  onerror: WireSocket['onerror'] = null
  private readonly abort = new AbortController()
  private readonly waiting: string[] = []
  private name = ''
  private sending = false

  constructor(
    private readonly csrfToken: () => string,
    private readonly ask: typeof fetch = (input, init) => fetch(input, init),
  ) {
    void this.read()
  }

  send(data: string): void {
    this.waiting.push(data)
    if (!this.sending) void this.post()
  }

  close(): void {
    this.readyState = 3
    this.abort.abort()
  }

  private async read(): Promise<void> {
    try {
      const answer = await this.ask('/api/stream', {
        headers: { Accept: 'text/event-stream' },
        signal: this.abort.signal,
        cache: 'no-store',
      })
      if (!answer.ok || !answer.body) return this.ended(codeFor(answer.status))
      this.name = answer.headers.get('Hubbub-Stream') ?? ''
      this.readyState = 1
      const code = await this.events(answer.body.getReader())
      this.ended(code)
    } catch {
      this.ended(1006)
    }
  }

  /** Hands on each event's data; returns the close code. */
  private async events(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<number> {
    const decoder = new TextDecoder()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return 1006
      const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n')
      rest = blocks.pop()!
      for (const block of blocks) {
        const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]))
        const data = fields.get('data')
        if (data === undefined) continue
        if (fields.get('event') === 'close') return (JSON.parse(data) as { code: number }).code
        if (this.readyState === 1) this.onmessage?.({ data })
      }
    }
  }

  /** One request at a time, so that frames keep their order. */
  private async post(): Promise<void> {
    this.sending = true
    try {
      while (this.waiting.length && this.readyState === 1) {
        const frames = this.waiting.splice(0, FRAMES)
        const answer = await this.ask('/api/frames', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', 'Hubbub-Stream': this.name, 'X-CSRFToken': this.csrfToken() },
          body: `[${frames.join(',')}]`,
          signal: AbortSignal.any([this.abort.signal, AbortSignal.timeout(ANSWER_TIMEOUT)]),
        })
        // The sender of an unaccepted frame sends it again with the same key.
        if (!answer.ok) return this.ended(codeFor(answer.status))
      }
    } catch {
      this.ended(1006)
    } finally {
      this.sending = false
    }
  }

  private ended(code: number): void {
    if (this.readyState === 3) return
    this.close()
    this.onclose?.({ code })
  }
}

function codeFor(status: number): number {
  if (status === 401) return Close.NO_CREDENTIALS
  return status === 429 ? Close.RATE_ABUSE : 1006
}
