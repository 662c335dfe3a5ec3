import { LinkifyIt } from 'linkify-it'

const linkify = new LinkifyIt({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false }).add('ftp:', null).add('//', null)

export interface TextPart {
  text: string
  /** an http, https or mailto address; null for plain text */
  href: string | null
  /** written as @name */
  name?: string
}

const SAFE = /^(https?:|mailto:)/i

/** Splits a message into plain text and links. Only a written address becomes a link. */
export function textParts(text: string): TextPart[] {
  const parts: TextPart[] = []
  let end = 0
  for (const match of linkify.match(text) ?? []) {
    if (!SAFE.test(match.url)) continue
    if (match.index > end) parts.push({ text: text.slice(end, match.index), href: null })
    parts.push({ text: match.raw, href: match.url })
    end = match.lastIndex
  }
  if (end < text.length) parts.push({ text: text.slice(end), href: null })
  return parts
}

const NAME = /(?<![\p{L}\p{N}_@.+-])@([\p{L}\p{N}_.+-]*[\p{L}\p{N}])/gu

/** Splits plain text at each @name. */
export function nameParts(text: string): TextPart[] {
  const parts: TextPart[] = []
  let end = 0
  for (const match of text.matchAll(NAME)) {
    if (match.index > end) parts.push({ text: text.slice(end, match.index), href: null })
    parts.push({ text: match[0], href: null, name: match[1]! })
    end = match.index + match[0].length
  }
  if (end < text.length) parts.push({ text: text.slice(end), href: null })
  return parts
}
