/** What the operator has set for maps, asked for once. */
export interface MapSettings {
  tiles: string | null
  attribution: string
}

let asked: Promise<MapSettings> | undefined

/** Rejects where the server gives none; the next map asks again. */
export function mapSettings(): Promise<MapSettings> {
  asked ??= ask()
  return asked
}

async function ask(): Promise<MapSettings> {
  try {
    const answer = await fetch('/api/location/map')
    if (!answer.ok) throw new Error(`settings of the map: ${answer.status}`)
    return (await answer.json()) as MapSettings
  } catch (error) {
    asked = undefined
    throw error
  }
}
