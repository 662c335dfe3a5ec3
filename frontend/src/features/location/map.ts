/** A Leaflet map with tiles, or with the built-in map of the world. */
import L from 'leaflet'
import 'leaflet/dist/leaflet.css'
import { country } from '../../i18n'
import { countries } from './atlas'
import { mapSettings } from './settings'

export { L }

/** Names of countries are shown from here on; those of the smallest only closer. */
const NAME_FROM_ZOOM = 4
const SMALL_FROM_ZOOM = 7
/** square degrees of the box around a small country's largest part */
const SMALL = 4

/** The closest zoom that shows more than one colour, with tiles and without. */
const CLOSEST = { tiles: 14, atlas: 5 }

/** `ready` is called with the closest useful zoom, `failed` where the base layer cannot be loaded. */
export function makeMap(place: HTMLElement, ready: (closest: number) => void, failed: () => void): L.Map {
  const map = L.map(place, { minZoom: 1, maxZoom: 18, worldCopyJump: true, zoomSnap: 0.5, zoomControl: false, attributionControl: true })
  map.attributionControl.setPrefix('')
  map.setView([20, 10], 1)
  addBase(map, ready).catch(failed)
  return map
}

async function addBase(map: L.Map, ready: (closest: number) => void): Promise<void> {
  const { tiles, attribution } = await mapSettings()
  ready(tiles ? CLOSEST.tiles : CLOSEST.atlas)
  if (tiles) {
    L.tileLayer(tiles, { attribution: escaped(attribution), maxZoom: 18 }).addTo(map)
    return
  }
  const found = await countries()
  const layer = L.geoJSON(found, {
    attribution: 'Natural Earth',
    interactive: false,
    style: { className: 'atlas', weight: 1, color: undefined, fillColor: undefined, fillOpacity: 1 },
  }).addTo(map)
  layer.bringToBack()
  // Above the countries and below people.
  map.createPane('names').style.zIndex = '450'
  const names = { large: L.layerGroup(), small: L.layerGroup() }
  for (const { id, geometry, properties } of found) addName(names, geometry, country(id) ?? properties.name)
  const show = () => {
    for (const [layer, from] of [[names.large, NAME_FROM_ZOOM], [names.small, SMALL_FROM_ZOOM]] as const) {
      if (map.getZoom() >= from) layer.addTo(map)
      else layer.remove()
    }
  }
  map.on('zoomend', show)
  show()
}

/** The name of a country stands in the middle of its largest part. */
function addName(names: { large: L.LayerGroup; small: L.LayerGroup }, geometry: GeoJSON.Geometry, name: string): void {
  const parts = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.type === 'MultiPolygon' ? geometry.coordinates : []
  const boxes = parts.map(([outer]) => L.latLngBounds(outer!.map(([longitude, latitude]) => [latitude!, longitude!])))
  const area = (box: L.LatLngBounds) => (box.getNorth() - box.getSouth()) * (box.getEast() - box.getWest())
  const largest = boxes.sort((one, other) => area(other) - area(one))[0]
  if (!largest) return
  const text = document.createElement('span')
  text.textContent = name
  const icon = L.divIcon({ className: 'atlas-name', html: text, iconSize: [0, 0] })
  L.marker(largest.getCenter(), { interactive: false, keyboard: false, pane: 'names', icon }).addTo(area(largest) < SMALL ? names.small : names.large)
}

function escaped(text: string): string {
  const element = document.createElement('span')
  element.textContent = text
  return element.innerHTML
}
