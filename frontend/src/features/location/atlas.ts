/** The map of the world that comes with the page: countries of Natural Earth. */
import type { Feature, Geometry } from 'geojson'
import { feature } from 'topojson-client'
import type { GeometryCollection, Topology } from 'topojson-specification'
import address from 'world-atlas/countries-50m.json?url'

type Countries = Topology<{ countries: GeometryCollection<{ name: string }> }>

/** @throws Error without an answer */
export async function countries(): Promise<Feature<Geometry, { name: string }>[]> {
  const answer = await fetch(address)
  if (!answer.ok) throw new Error(`The map could not be loaded (${answer.status}).`)
  const world = (await answer.json()) as Countries
  return feature(world, world.objects.countries).features
}
