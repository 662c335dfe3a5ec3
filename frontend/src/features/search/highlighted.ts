export interface Part {
  text: string
  hit: boolean
}

/** Splits a text at its highlights, which are pairs of start and end in code points. */
export function highlighted(text: string, highlights: readonly [number, number][]): Part[] {
  const points = [...text]
  const parts: Part[] = []
  let end = 0
  for (const [start, stop] of highlights) {
    if (start > end) parts.push({ text: points.slice(end, start).join(''), hit: false })
    parts.push({ text: points.slice(start, stop).join(''), hit: true })
    end = stop
  }
  if (end < points.length) parts.push({ text: points.slice(end).join(''), hit: false })
  return parts
}
