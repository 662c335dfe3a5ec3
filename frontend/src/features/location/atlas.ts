/** The map of the world that comes with the page: countries of Natural Earth. */
import type { Feature, Geometry, Polygon, Position } from 'geojson'
import { feature } from 'topojson-client'
import type { GeometryCollection, Topology } from 'topojson-specification'
import address from 'world-atlas/countries-50m.json?url'

export type Country = Feature<Geometry, { name: string }>
export type Countries = Topology<{ countries: GeometryCollection<{ name: string }> }>

/** @throws Error without an answer */
export async function countries(): Promise<Country[]> {
  const answer = await fetch(address)
  if (!answer.ok) throw new Error(`The map could not be loaded (${answer.status}).`)
  return countriesOf((await answer.json()) as Countries)
}

/** Russia and Fiji go beyond the map's edge: as one ring they would be drawn back across all of it. */
export function countriesOf(world: Countries): Country[] {
  return feature(world, world.objects.countries).features.map((country) => {
    const { geometry } = country
    if (geometry.type !== 'MultiPolygon') return country
    return { ...country, geometry: { ...geometry, coordinates: geometry.coordinates.flatMap(cutAtEdge) } }
  })
}

function cutAtEdge([outer, ...holes]: Polygon['coordinates']): Polygon['coordinates'][] {
  const crossings = outer!.flatMap((point, index) => (index && crosses(outer![index - 1]!, point) ? [index] : []))
  // One crossing: a ring around the pole, which has nowhere to be cut.
  if (crossings.length < 2) return [[outer!, ...holes]]
  const [first, last] = [crossings[0]!, crossings.at(-1)!]
  const parts = crossings.slice(1).map((end, index) => outer!.slice(crossings[index], end))
  return [[...outer!.slice(last), ...outer!.slice(1, first)], ...parts].map((part, index) => [closed(part), ...(index ? [] : holes)])
}

function crosses([before]: Position, [after]: Position): boolean {
  return Math.abs(after! - before!) > 180
}

function closed(part: Position[]): Position[] {
  return [...part, part[0]!]
}
