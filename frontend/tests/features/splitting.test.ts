import { expect, it } from 'vitest'
import * as Y from 'yjs'
import { splitUpdate } from '../../src/features/notes/split'

const LIMIT = 2_000
const textOf = (doc: Y.Doc) => doc.getText('text')

/** Applies the parts one by one; none may wait for a later one. */
function appliedTo(doc: Y.Doc, parts: Uint8Array[]): string {
  for (const part of parts) {
    expect(part.length).toBeLessThanOrEqual(LIMIT)
    Y.applyUpdate(doc, part)
    expect(doc.store.pendingStructs).toBeNull()
  }
  return textOf(doc).toString()
}

it('a small update stays as it is', () => {
  const doc = new Y.Doc()
  textOf(doc).insert(0, 'x')
  const update = Y.encodeStateAsUpdate(doc)
  expect(splitUpdate(update, LIMIT)).toEqual([update])
})

it.each(['x', 'é', '字', '🎲', 'a🎲'])('a long text of %s comes in parts', (letter) => {
  const doc = new Y.Doc()
  textOf(doc).insert(0, letter.repeat(3_000))
  const parts = splitUpdate(Y.encodeStateAsUpdate(doc), LIMIT)
  expect(parts.length).toBeGreaterThan(1)
  expect(appliedTo(new Y.Doc(), parts)).toBe(letter.repeat(3_000))
})

it('edits of several people are the same after the parts, in either order', () => {
  const docs = [new Y.Doc(), new Y.Doc(), new Y.Doc()]
  let seed = 7
  const random = (below: number) => Math.floor(((seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647) * below)
  for (let round = 0; round < 60; round += 1) {
    const doc = docs[random(3)]!
    const text = textOf(doc)
    text.insert(random(text.length + 1), '字'.repeat(random(300)))
    text.delete(random(text.length / 2), random(text.length / 4))
    const other = docs[random(3)]!
    if (other !== doc) Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
  }
  const all = new Y.Doc({ gc: false })
  for (const doc of docs) Y.applyUpdate(all, Y.encodeStateAsUpdate(doc))
  const expected = textOf(all).toString()
  const parts = splitUpdate(Y.encodeStateAsUpdate(all), LIMIT)
  expect(appliedTo(new Y.Doc(), parts)).toBe(expected)
  const backwards = new Y.Doc()
  for (const part of [...parts].reverse()) Y.applyUpdate(backwards, part)
  expect(textOf(backwards).toString()).toBe(expected)
})

it('many deletions come in parts', () => {
  const doc = new Y.Doc()
  textOf(doc).insert(0, 'x'.repeat(5_000))
  const other = new Y.Doc()
  Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
  const before = Y.encodeStateVector(doc)
  doc.transact(() => {
    for (let at = 0; at < 2_000; at += 1) textOf(doc).delete(at, 1)
  })
  const parts = splitUpdate(Y.encodeStateAsUpdate(doc, before), LIMIT)
  expect(parts.length).toBeGreaterThan(1)
  expect(appliedTo(other, parts)).toBe('x'.repeat(3_000))
})

it('a gap in the structs of a client stays a gap', () => {
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (const letter of 'abc') textOf(doc).insert(textOf(doc).length, letter.repeat(1_500))
  const parts = splitUpdate(Y.mergeUpdates([updates[0]!, updates[2]!]), LIMIT)
  const other = new Y.Doc()
  for (const part of parts) Y.applyUpdate(other, part)
  expect(textOf(other).toString()).toBe('a'.repeat(1_500))
  Y.applyUpdate(other, updates[1]!)
  expect(textOf(other).toString()).toBe(textOf(doc).toString())
})
