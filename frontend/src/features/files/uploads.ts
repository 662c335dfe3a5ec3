/** Uploads files, two at a time; an upload cut by a lost connection starts again. */
import { watch } from 'vue'
import { callHeaders, noteRefusal, path } from '../../api'
import { has, t } from '../../i18n'
import type { MessageFile } from '../../protocol'
import { useConnection } from '../../stores/connection'
import { toast } from '../../ui/toasts'
import { pending, put, type Pending } from './pending'
import { sizeOf } from './sizes'

const AT_ONCE = 2
const MOST = 10
const RETRY_MS = 3_000
const RETRIES = 5

interface Running {
  room: string
  request: XMLHttpRequest
}

const running = new Map<number, Running>()
/** id → how often it was cut */
const tries = new Map<number, number>()
let limit: Promise<number> | null = null
let nextId = 1
let watching = false

/** Adds files to the next message of a room and begins to upload them. */
export function addFiles(room: string, files: Iterable<File>): void {
  watchConnection()
  const before = pending.get(room) ?? []
  const all = [...files]
  const added = all.slice(0, Math.max(0, MOST - before.length))
  if (added.length < all.length) toast(t('files.too_many', { most: MOST }), { kind: 'failure' })
  put(room, [...before, ...added.map((file): Pending => ({ id: nextId++, file, state: 'waiting', progress: 0, reason: '', result: null }))])
  void checkSizes(room).finally(pump)
}

/** Takes a file away, also while it is on its way. One that is uploaded is removed by the server after a day. */
export function removeFile(room: string, id: number): void {
  running.get(id)?.request.abort()
  tries.delete(id)
  put(room, (pending.get(room) ?? []).filter((file) => file.id !== id))
  pump()
}

export function retryFile(room: string, id: number): void {
  tries.delete(id)
  change(room, id, { state: 'waiting', reason: '', progress: 0 })
  pump()
}

function change(room: string, id: number, fields: Partial<Pending>): void {
  const files = pending.get(room)
  if (files?.some((file) => file.id === id)) put(room, files.map((file) => (file.id === id ? { ...file, ...fields } : file)))
}

/** A file that is too large is refused before any of it is sent. */
async function checkSizes(room: string): Promise<void> {
  limit ??= fetch('/api/files', { credentials: 'same-origin' })
    .then(async (response) => ((await response.json()) as { size: number }).size)
    .catch(() => ((limit = null), Infinity))
  const most = await limit
  for (const { id, file } of pending.get(room) ?? []) {
    if (file.size > most) change(room, id, { state: 'failed', reason: t('files.too_large', { most: sizeOf(most) }) })
    else if (!file.size) change(room, id, { state: 'failed', reason: t('files.is_empty') })
  }
}

function pump(): void {
  for (const [room, files] of pending) {
    for (const file of files) {
      if (running.size >= AT_ONCE) return
      if (file.state === 'waiting' && useConnection().isOpen) send(room, file)
    }
  }
}

function send(room: string, { id, file }: Pending): void {
  const request = new XMLHttpRequest()
  const form = new FormData()
  form.append('file', file, file.name)
  running.set(id, { room, request })
  change(room, id, { state: 'sending', progress: 0 })
  request.upload.addEventListener('progress', ({ loaded, total }) => change(room, id, { progress: total ? loaded / total : 0 }))
  request.addEventListener('loadend', () => {
    running.delete(id)
    ended(room, id, request)
    pump()
  })
  request.open('POST', `${path(room)}/files`)
  for (const [name, value] of Object.entries(callHeaders())) request.setRequestHeader(name, value)
  request.send(form)
}

function ended(room: string, id: number, request: XMLHttpRequest): void {
  const answer = parsed(request.responseText)
  if (request.status === 201) {
    tries.delete(id)
    return change(room, id, { state: 'done', progress: 1, result: answer as unknown as MessageFile })
  }
  const tried = (tries.get(id) ?? 0) + 1
  tries.set(id, tried)
  const passing = request.status === 0 || [408, 429, 502, 503, 504].includes(request.status)
  if (passing && (tried <= RETRIES || !useConnection().isOpen)) {
    change(room, id, { state: 'waiting', progress: 0 })
    setTimeout(pump, RETRY_MS * tried * (0.5 + Math.random()))
    return
  }
  noteRefusal(answer.code)
  change(room, id, { state: 'failed', reason: reasonFor(request.status, answer) })
}

function reasonFor(status: number, { code, detail }: Record<string, unknown>): string {
  const key = `files.errors.${String(code)}`
  if (has(key)) return t(key)
  return typeof detail === 'string' && detail ? detail : status === 0 ? t('errors.unreachable') : t('errors.unknown')
}

function parsed(text: string): Record<string, unknown> {
  try {
    return (JSON.parse(text) ?? {}) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** What waits goes on with the connection. */
function watchConnection(): void {
  if (watching) return
  watching = true
  watch(() => useConnection().isOpen, pump)
}
