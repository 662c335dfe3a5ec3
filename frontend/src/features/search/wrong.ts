const FILTER = /(?:^|\s)(from|in|before|after|has):(\S*)/g

/** The words for what the server could not read: it says `bad_frame`, and why in English. */
export function wrongPart(query: string): string {
  const filters = [...query.matchAll(FILTER)].map(([, name, value]) => ({ name, value }))
  if (new Set(filters.map((filter) => filter.name)).size < filters.length) return 'search.repeated_filter'
  if (filters.some(({ name, value }) => name === 'has' && value !== 'file')) return 'search.bad_filter'
  const dates = filters.filter(({ name }) => name === 'before' || name === 'after')
  return dates.some(({ value }) => Number.isNaN(Date.parse(value ?? ''))) ? 'search.bad_date' : 'search.too_many_words'
}
