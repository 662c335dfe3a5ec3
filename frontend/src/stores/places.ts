/** The position in each room, for this tab: a return opens it there. No entry: at the latest message. */
export interface Place {
  seq: number
  /** pixels of that message's top edge below the upper edge of the list */
  top: number
}

const MAX_PLACES = 100
const NAME = 'hubbub.places'

/** One person's places; `storage` keeps them across a reload. */
export class Places {
  private readonly places: Map<string, Place>

  constructor(
    private readonly owner: number,
    private readonly storage: Storage | null,
  ) {
    this.places = new Map(this.stored())
  }

  get(room: string): Place | null {
    return this.places.get(room) ?? null
  }

  set(room: string, place: Place | null): void {
    this.places.delete(room)
    if (place) this.places.set(room, place)
    if (this.places.size > MAX_PLACES) this.places.delete(this.places.keys().next().value!)
  }

  save(): void {
    try {
      this.storage?.setItem(this.name, JSON.stringify([...this.places]))
    } catch {
      // Storage is full or forbidden: the places last as long as the page.
    }
  }

  private get name(): string {
    return `${NAME}.${this.owner}`
  }

  private stored(): [string, Place][] {
    try {
      const entries = JSON.parse(this.storage?.getItem(this.name) ?? '[]') as unknown
      return Array.isArray(entries) ? (entries as [string, Place][]).filter(isEntry) : []
    } catch {
      return []
    }
  }
}

function isEntry(entry: unknown): boolean {
  if (!Array.isArray(entry) || typeof entry[0] !== 'string') return false
  const place = entry[1] as Partial<Place> | null
  return Number.isSafeInteger(place?.seq) && Number.isFinite(place?.top)
}

let current: Places | null = null

export function placesOf(owner: number): Places {
  return (current ??= new Places(owner, tabStorage()))
}

function tabStorage(): Storage | null {
  try {
    return sessionStorage
  } catch {
    return null
  }
}
