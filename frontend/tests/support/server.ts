/** A small server of the native dialect on a real port: logs with seq and keys in memory, and faults on request. */
import { WebSocketServer, type WebSocket as ServerSocket } from 'ws'
import type { AddressInfo } from 'node:net'
import type { ClientFrame, LogEvent, MessageEvent } from '../../src/protocol'

type Request = ClientFrame & { id?: number }
interface Client {
  socket: ServerSocket
  rooms: Set<string>
}

const AUTHOR = { id: 1, name: 'ada' }

export class TestServer {
  readonly received: Request[] = []
  readonly logs = new Map<string, LogEvent[]>()
  connections = 0
  pageSize = 200
  snapshotSize = 50
  heartbeat = 20
  rate = 0
  frameLimit = 262_144
  epoch = 'first'
  /** the person whose session the next sockets bring */
  user = AUTHOR
  /** decides what happens to a request before it is handled: an error code, or `drop` for no answer at all */
  fault: (frame: Request) => string | null = () => null
  /** closes a socket with this code instead of greeting it */
  refuse: (() => number | null) | null = null
  private readonly keys = new Map<string, { seq: number; at: string }>()
  private readonly clients = new Set<Client>()

  private constructor(private readonly server: WebSocketServer) {
    server.on('connection', (socket) => this.connected(socket))
  }

  static async start(): Promise<TestServer> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await new Promise((resolve) => server.once('listening', resolve))
    return new TestServer(server)
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/ws/`
  }

  async stop(): Promise<void> {
    this.sever()
    await new Promise((resolve) => this.server.close(resolve))
  }

  /** Cuts every connection without a close frame. */
  sever(): void {
    for (const { socket } of this.clients) socket.terminate()
    this.clients.clear()
  }

  closeAll(code: number): void {
    for (const { socket } of this.clients) socket.close(code)
  }

  push(frame: object): void {
    for (const { socket } of this.clients) socket.send(JSON.stringify(frame))
  }

  log(room: string): LogEvent[] {
    return this.logs.get(room) ?? []
  }

  texts(room: string): string[] {
    return this.log(room).map((event) => (event as MessageEvent).text)
  }

  sends(): Extract<Request, { type: 'message.send' }>[] {
    return this.received.filter((frame) => frame.type === 'message.send')
  }

  /** Somebody else writes; `announce: false` commits without telling anyone. */
  write(room: string, text: string, { announce = true, from = { id: 2, name: 'bob' }, key = undefined as string | undefined } = {}): number {
    const log = this.logs.get(room) ?? []
    this.logs.set(room, log)
    const event: MessageEvent = {
      type: 'message', room, seq: log.length + 1, from, text, at: new Date().toISOString(),
      edited: false, deleted: false, reactions: {}, ...(key && { key }),
    }
    log.push(event)
    if (announce) this.announce(event)
    return event.seq
  }

  /** Stores a message of the client itself, as if its frame had been handled. */
  commit(room: string, text: string, key: string): void {
    const seq = this.write(room, text, { from: AUTHOR, key })
    this.keys.set(room + key, { seq, at: '' })
  }

  announce(event: LogEvent): void {
    for (const client of this.clients) if (client.rooms.has(event.room)) client.socket.send(JSON.stringify(event))
  }

  private connected(socket: ServerSocket): void {
    this.connections++
    const code = this.refuse?.()
    if (code) return socket.close(code)
    const client: Client = { socket, rooms: new Set() }
    this.clients.add(client)
    socket.on('close', () => this.clients.delete(client))
    socket.on('message', (data: Buffer) => {
      if (data.length > this.frameLimit) return socket.close(1009)
      this.handle(client, JSON.parse(data.toString()) as Request)
    })
    const limits = { text: 10_000, frame: this.frameLimit, rate: this.rate }
    socket.send(JSON.stringify({ type: 'hello', protocol: 1, user: this.user, heartbeat: this.heartbeat, limits, epoch: this.epoch }))
  }

  private handle(client: Client, frame: Request): void {
    this.received.push(frame)
    const reply = (body: object) => client.socket.send(JSON.stringify({ ...body, re: frame.id ?? null }))
    const fault = this.fault(frame)
    if (fault === 'drop') return
    if (fault) return reply({ type: 'error', code: fault, message: `refused with ${fault}` })
    if (frame.type === 'room.join') this.join(client, frame, reply)
    else if (frame.type === 'message.send') this.send(frame, reply)
    else if (frame.type === 'ping') reply({ type: 'pong' })
    else if ('key' in frame) reply({ type: 'stored', room: 'lobby', seq: 1, at: '', duplicate: false })
    else reply({ type: 'ok' })
  }

  private join(client: Client, frame: Extract<Request, { type: 'room.join' }>, reply: (body: object) => void): void {
    const log = this.log(frame.room)
    const above = frame.after === undefined ? log.slice(-this.snapshotSize) : log.filter(({ seq }) => seq > frame.after!)
    const events = frame.after === undefined ? above : above.slice(0, this.pageSize)
    const more = frame.after === undefined ? log.length > events.length : above.length > events.length
    if (frame.after === undefined || !more) client.rooms.add(frame.room)
    reply({ type: 'room.joined', room: frame.room, head: log.length, events, more, member_count: 1, online_count: 1, online: [AUTHOR] })
  }

  private send(frame: Extract<Request, { type: 'message.send' }>, reply: (body: object) => void): void {
    const room = frame.room ?? `dm-1-${frame.to}`
    const known = this.keys.get(room + frame.key)
    const seq = known?.seq ?? this.write(room, frame.text ?? '', { from: AUTHOR, key: frame.key })
    const sent = known ?? { seq, at: new Date().toISOString() }
    this.keys.set(room + frame.key, sent)
    reply({ type: 'message.sent', room, ...sent, duplicate: known !== undefined })
  }
}
