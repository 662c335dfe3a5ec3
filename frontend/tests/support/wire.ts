/** A socket driven by hand, for tests in which the clock is too. */
import type { WireSocket } from '../../src/socket/environment'

export class HandSocket implements WireSocket {
  readyState = 1
  onmessage: WireSocket['onmessage'] = null
  onclose: WireSocket['onclose'] = null
  onerror: WireSocket['onerror'] = null
  readonly sent: { type: string; id?: number }[] = []
  closedWith: number | null = null

  send(data: string): void {
    this.sent.push(JSON.parse(data) as { type: string; id?: number })
  }

  close(code = 1000): void {
    this.readyState = 3
    this.closedWith = code
  }

  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }

  greet(heartbeat = 20): void {
    const limits = { text: 10_000, frame: 262_144, rate: 20 }
    this.say({ type: 'hello', protocol: 1, user: { id: 1, name: 'ada' }, heartbeat, limits })
  }

  serverCloses(code: number): void {
    this.readyState = 3
    this.onclose?.({ code })
  }

  /** Answers the latest ping that wants a reply, and with it says that nothing asked before is on its way. */
  answerPing(): void {
    const ping = this.sent.findLast(({ type, id }) => type === 'ping' && id !== undefined)
    if (!ping) throw new Error('no ping that wants a reply has been sent')
    this.say({ type: 'pong', re: ping.id })
  }

  pings(): number {
    return this.sent.filter(({ type }) => type === 'ping').length
  }
}
