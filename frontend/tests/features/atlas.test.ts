import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { country, showLanguage } from '../../src/i18n'
import { countriesOf, type Countries } from '../../src/features/location/atlas'

const world = JSON.parse(readFileSync('node_modules/world-atlas/countries-50m.json', 'utf8')) as Countries

test('no country is drawn back across the map', () => {
  for (const { geometry, properties } of countriesOf(world)) {
    if (geometry.type !== 'MultiPolygon' || properties.name === 'Antarctica') continue
    for (const ring of geometry.coordinates.flat()) {
      const steps = ring.slice(1).map(([longitude], index) => Math.abs(longitude! - ring[index]![0]!))
      expect(Math.max(...steps), properties.name).toBeLessThan(180)
      expect(ring.at(-1)).toEqual(ring[0])
    }
  }
})

test('countries are named in the language of the page', async () => {
  const numbers = new Map(countriesOf(world).map(({ id, properties }) => [properties.name, id]))
  const named = () => ['Germany', 'China', 'Dem. Rep. Congo', 'Kosovo'].map((name) => country(numbers.get(name)))
  expect(named()).toEqual(['Germany', 'China', 'Congo - Kinshasa', undefined])
  await showLanguage('zh')
  expect(named()).toEqual(['德国', '中国', '刚果（金）', undefined])
  await showLanguage('en')
})

test('both sides of a country beyond the edge stay', () => {
  const russia = countriesOf(world).find(({ properties }) => properties.name === 'Russia')!
  const longitudes = russia.geometry.type === 'MultiPolygon' ? russia.geometry.coordinates.flat(2).map(([longitude]) => longitude!) : []
  expect(longitudes.filter((one) => one < -169.9 && one > -180).length).toBeGreaterThan(10)
  expect(Math.max(...longitudes)).toBeGreaterThan(179.5)
})
