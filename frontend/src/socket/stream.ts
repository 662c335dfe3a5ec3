/** `GET /api/stream` and `POST /api/frames` in the form of a WebSocket. */
import { Close } from '../protocol'
import { atLeast, fullJitter } from './backoff'
import type { WireSocket } from './environment'

/** Frames of one request, as the server takes them. */
const FRAMES = 50
/** Frames that wait for a request; above it the connection is given up, and comes back with what is unanswered. */
const WAITING = 1_000
/** A stream is never silent for longer than the heartbeat; a request that is has no way out. */
const ANSWER_TIMEOUT = 10_000
/** A request that was not taken, or whose answer was lost, is repeated so often and no longer than that. */
const REPEATS = 5
const REPEAT_WITHIN = 20_000
const REPEAT_BASE = 500
const REPEAT_CAP = 4_000

export class StreamSocket implements WireSocket {
  readyState = 0
  onmessage: WireSocket['onmessage'] = null
  onclose: WireSocket['onclose'] = null
  onerror: WireSocket['onerror'] = null
  private readonly abort = new AbortController()
  private readonly waiting: string[] = []
  private name = ''
  private sending = false
  /** numbers the requests: the server takes the frames of a repeated one once */
  private request = 0

  constructor(
    private readonly csrfToken: () => string,
    private readonly ask: typeof fetch = (input, init) => fetch(input, init),
    private readonly random: () => number = Math.random,
  ) {
    void this.read()
  }

  send(data: string): void {
    if (this.waiting.length >= WAITING) return this.ended(1006)
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
    while (this.waiting.length && this.readyState === 1) {
      const code = await this.deliver(`[${this.waiting.splice(0, FRAMES).join(',')}]`)
      // The sender of an unaccepted frame sends it again with the same key.
      if (code !== null) this.ended(code)
    }
    this.sending = false
  }

  /** Returns null once the server has the frames, else the close code. */
  private async deliver(body: string): Promise<number | null> {
    const number = String(++this.request)
    const end = Date.now() + REPEAT_WITHIN
    for (let attempt = 0; ; attempt++) {
      const answer = await this.ask('/api/frames', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Hubbub-Stream': this.name, 'Hubbub-Request': number, 'X-CSRFToken': this.csrfToken() },
        body,
        signal: AbortSignal.any([this.abort.signal, AbortSignal.timeout(ANSWER_TIMEOUT)]),
      }).catch(() => null)
      if (answer?.ok) return null
      const status = answer?.status ?? 0
      const pause = this.pauseAfter(attempt, answer)
      if (!mayRepeat(status) || attempt === REPEATS || Date.now() + pause > end) return codeFor(status)
      await this.sleep(pause)
      if (this.readyState !== 1) return 1006
    }
  }

  private pauseAfter(attempt: number, answer: Response | null): number {
    const asked = Number(answer?.headers.get('Retry-After') ?? 0) * 1_000
    return Math.max(asked > 0 ? atLeast(asked, this.random) : 0, fullJitter(attempt, this.random, REPEAT_BASE, REPEAT_CAP))
  }

  /** Ends early when the stream does. */
  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.abort.signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
    })
  }

  private ended(code: number): void {
    if (this.readyState === 3) return
    this.close()
    this.onclose?.({ code })
  }
}

/** Whether the same request may be taken later: too many requests, a server away, or no answer at all. */
function mayRepeat(status: number): boolean {
  return status === 0 || status === 429 || status >= 500
}

function codeFor(status: number): number {
  if (status === 401) return Close.NO_CREDENTIALS
  return status === 429 ? Close.RATE_ABUSE : 1006
}
