/** A ChatSocket that records its events, and stand-ins for the parts of a browser. */
import { WebSocket as NodeSocket } from 'ws'
import type { LogEvent, MessageEvent } from '../../src/protocol'
import { ChatSocket, type ChatSocketOptions } from '../../src/socket'
import type { KeyValueStorage, Network, NetworkChange, WireSocket } from '../../src/socket/environment'

export class MemoryStorage implements KeyValueStorage {
  readonly items = new Map<string, string>()
  get length(): number {
    return this.items.size
  }
  key(index: number): string | null {
    return [...this.items.keys()][index] ?? null
  }
  getItem(name: string): string | null {
    return this.items.get(name) ?? null
  }
  setItem(name: string, value: string): void {
    this.items.set(name, value)
  }
  removeItem(name: string): void {
    this.items.delete(name)
  }
}

export class TestNetwork implements Network {
  isOnline = true
  private readonly listeners = new Set<(change: NetworkChange) => void>()
  online(): boolean {
    return this.isOnline
  }
  watch(listener: (change: NetworkChange) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  change(change: NetworkChange): void {
    if (change !== 'visible') this.isOnline = change === 'online'
    for (const listener of this.listeners) listener(change)
  }
}

export class RecordingClient {
  readonly network = new TestNetwork()
  readonly states: string[] = []
  readonly applied: LogEvent[] = []
  readonly snapshots: number[] = []
  readonly lost: string[] = []
  readonly sentKeys: string[] = []
  readonly chat: ChatSocket

  constructor(url: string, options: Partial<ChatSocketOptions> = {}) {
    this.chat = new ChatSocket({
      url,
      owner: '1',
      open: (target) => new NodeSocket(target) as unknown as WireSocket,
      network: this.network,
      // Short waits: the real clock runs in these tests.
      random: () => 0.02,
      ...options,
    })
    this.chat.on('state', (state) => this.states.push(state.name))
    this.chat.on('snapshot', ({ events, head }) => {
      this.applied.splice(0, Infinity, ...events)
      this.snapshots.push(head)
    })
    this.chat.on('events', ({ events }) => this.applied.push(...events))
    this.chat.on('lost', ({ room, code }) => this.lost.push(`${room} ${code}`))
    this.chat.on('sent', ({ frame }) => this.sentKeys.push(frame.key))
  }

  seqs(): number[] {
    return this.applied.map(({ seq }) => seq)
  }

  texts(): string[] {
    return this.applied.map((event) => (event as MessageEvent).text)
  }
}

export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
