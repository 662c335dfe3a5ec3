/** As the server reads a question: an optional filter's name, then a phrase in quotes or everything up to the next blank. */
const PART = /(?:(from|in|before|after|has)[:\uff1a])?(?:["\u201c\u201d]([^"\u201c\u201d]*)["\u201c\u201d]?|(\S+))?/gi
const MOST_WORDS = 8

/** The words for a query that the server could not read: its `bad_frame` has the reason in English only. */
export function wrongPart(query: string): string {
  const filters = new Map<string, string>()
  const words = new Set<string>()
  for (const [, name, phrase, word] of query.matchAll(PART)) {
    const value = (phrase ?? word ?? '').trim()
    if (!value) continue
    if (!name) words.add(value.toLowerCase())
    else if ((filters.get(name.toLowerCase()) ?? value) !== value) return 'search.repeated_filter'
    else filters.set(name.toLowerCase(), value)
  }
  if (words.size > MOST_WORDS) return 'search.too_many_words'
  if ((filters.get('has') ?? 'file') !== 'file') return 'search.bad_filter'
  return filters.has('before') || filters.has('after') ? 'search.bad_date' : 'errors.bad_frame'
}
