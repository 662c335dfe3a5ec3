/** Yjs updates in parts. A paste, an undo or a day without a connection can be one update that no frame holds. */
import * as Y from 'yjs'

type Struct = ReturnType<typeof Y.decodeUpdate>['structs'][number]
type Range = [client: number, clock: number, length: number]

/** bytes of a client's heading in an update, at most */
const HEADING = 16
/** bytes of an item without its text, at most */
const ITEM = 64
/** bytes of a range of deletions with its client, at most */
const RANGE = 20

/** An update as updates of about `limit` bytes at most. Each of them needs only those before it; deletions come last. */
export function splitUpdate(update: Uint8Array, limit: number): Uint8Array[] {
  if (update.length <= limit) return [update]
  const { structs, ds } = Y.decodeUpdate(update)
  const parts: Uint8Array[] = []
  let part = new Part()
  for (const struct of inOrder(structs)) {
    for (const piece of cut(struct, limit)) {
      if (!part.fits(piece, limit)) {
        parts.push(part.encode())
        part = new Part()
      }
      part.add(piece)
    }
  }
  if (part.size) parts.push(part.encode())
  const ranges = [...ds.clients].flatMap(([client, items]) => items.map(({ clock, len }): Range => [client, clock, len]))
  const atOnce = Math.max(1, Math.floor(limit / RANGE))
  for (let start = 0; start < ranges.length; start += atOnce) parts.push(encode(new Map(), ranges.slice(start, start + atOnce)))
  return parts
}

class Part {
  size = 0
  private readonly structs = new Map<number, Struct[]>()

  /** Whether a struct can be added: an update holds no gap in a client's structs. */
  fits(struct: Struct, limit: number): boolean {
    const last = this.structs.get(struct.id.client)?.at(-1)
    if (last && last.id.clock + last.length !== struct.id.clock) return false
    return !this.size || this.size + sizeOf(struct) <= limit
  }

  add(struct: Struct): void {
    const { client } = struct.id
    const own = this.structs.get(client)
    if (own) own.push(struct)
    else this.structs.set(client, [struct])
    this.size += sizeOf(struct)
  }

  encode(): Uint8Array {
    return encode(this.structs, [])
  }
}

/** An update of the first version of Yjs' encoding. */
function encode(structs: Map<number, Struct[]>, deletions: Range[]): Uint8Array {
  const encoder = new Y.UpdateEncoderV1()
  encoder.writeLen(structs.size)
  for (const [client, list] of structs) {
    encoder.writeLen(list.length)
    encoder.writeClient(client)
    encoder.writeLen(list[0]!.id.clock)
    for (const struct of list) struct.write(encoder, 0)
  }
  const byClient = new Map<number, Range[]>()
  for (const range of deletions) byClient.set(range[0], [])
  for (const range of deletions) byClient.get(range[0])!.push(range)
  encoder.writeLen(byClient.size)
  for (const [client, ranges] of byClient) {
    encoder.writeClient(client)
    encoder.writeLen(ranges.length)
    for (const [, clock, length] of ranges) {
      encoder.writeDsClock(clock)
      encoder.writeDsLen(length)
    }
  }
  return encoder.toUint8Array()
}

function sizeOf(struct: Struct): number {
  const encoder = new Y.UpdateEncoderV1()
  struct.write(encoder, 0)
  return encoder.toUint8Array().length + HEADING
}

/** Structs of several clients, each behind the ones that it refers to. */
function* inOrder(structs: Struct[]): Generator<Struct> {
  const queues = new Map<number, Struct[]>()
  for (const struct of structs) {
    if (struct instanceof Y.Skip) continue
    const { client } = struct.id
    const queue = queues.get(client)
    if (queue) queue.push(struct)
    else queues.set(client, [struct])
  }
  const isReady = (struct: Struct) =>
    neededBy(struct).every(({ client, clock }) => client === struct.id.client || clock < (queues.get(client)?.[0]?.id.clock ?? Infinity))
  while (queues.size) {
    let moved = false
    for (const [client, queue] of queues) {
      while (queue.length && isReady(queue[0]!)) {
        yield queue.shift()!
        moved = true
      }
      if (!queue.length) queues.delete(client)
    }
    // No document has items that wait for each other; the receiver keeps what comes too early.
    if (!moved) for (const queue of queues.values()) yield queue.shift()!
  }
}

function neededBy(struct: Struct): Y.ID[] {
  if (!(struct instanceof Y.Item)) return []
  return [struct.origin, struct.rightOrigin, struct.parent].filter((id): id is Y.ID => id instanceof Y.ID)
}

/** A text that is too long, as the items into which Yjs would split it. */
function* cut(struct: Struct, limit: number): Generator<Struct> {
  if (!(struct instanceof Y.Item) || !(struct.content instanceof Y.ContentString) || sizeOf(struct) <= limit) return yield struct
  const { id, rightOrigin, parent, parentSub } = struct
  let { origin } = struct
  let clock = id.clock
  for (const text of pieces(struct.content.str, limit - ITEM - HEADING)) {
    yield new Y.Item(Y.createID(id.client, clock), null, origin, null, rightOrigin, parent, parentSub, new Y.ContentString(text))
    clock += text.length
    origin = Y.createID(id.client, clock - 1)
  }
}

/** A text in pieces of `limit` bytes of UTF-8 at most; the halves of a surrogate pair stay together. */
function* pieces(text: string, limit: number): Generator<string> {
  let start = 0
  let end = 0
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0)!
    const more = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (bytes + more > limit) {
      yield text.slice(start, end)
      start = end
      bytes = 0
    }
    end += character.length
    bytes += more
  }
  yield text.slice(start)
}
