/** Columns of charts, and the programs that a new device is shown with. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { append, merged, type Columns, type Series } from '../../src/features/sensors/data'
import { curlExample, pythonExample } from '../../src/features/sensors/examples'

describe('a live reading', () => {
  const filled = (): Columns => [[1, 2, 3], [10, 20, 30], [10, 20, 30], [10, 20, 30]]

  it('is appended behind the others', () => {
    const columns = filled()
    expect(append(columns, { value: 40, at: 4_000 }, 0)).toBe(true)
    expect(columns).toEqual([[1, 2, 3, 4], [10, 20, 30, 40], [10, 20, 30, 40], [10, 20, 30, 40]])
  })

  it('is left out when it is late or doubled', () => {
    const columns = filled()
    expect(append(columns, { value: 9, at: 3_000 }, 0)).toBe(false)
    expect(append(columns, { value: 9, at: 1_500 }, 0)).toBe(false)
    expect(columns).toEqual(filled())
  })

  it('takes the old ones with it, in one go', () => {
    const columns = filled()
    append(columns, { value: 40, at: 4_000 }, 2.5)
    expect(columns[0]).toEqual([3, 4])
    expect(columns[3]).toEqual([30, 40])
  })
})

const ORIGIN = 'https://hubbub.test:8443'

describe('the example programs', () => {
  beforeEach(() => vi.stubGlobal('location', { origin: ORIGIN }))
  afterEach(() => vi.unstubAllGlobals())

  it('hold address and token', () => {
    const curl = curlExample('green house', 'device-abc')
    expect(curl).toContain('Authorization: Token device-abc')
    expect(curl).toContain(`${ORIGIN}/api/rooms/green%20house/sensors/readings`)
    const python = pythonExample('greenhouse', 'device-abc')
    expect(python).toContain(`ROOM, TOKEN = "${ORIGIN}/api/rooms/greenhouse", "device-abc"`)
    expect(python).not.toContain('example.org')
    expect(python).not.toContain('environ')
  })
})

describe('a live chart that is read anew', () => {
  const series = (step: number, ...seconds: number[]): Series => ({
    sensor_id: 'a', step, points: seconds.map((at) => ({ at: new Date(at * 1_000).toISOString(), value: at, min: at, max: at })),
  })
  const columns = (...seconds: number[]): Columns => [seconds, seconds, seconds, seconds]

  it('has the readings that came while the answer was on its way', () => {
    expect(merged(columns(2, 5, 6), series(0, 1, 2, 3, 4, 5))).toEqual(columns(1, 2, 3, 4, 5, 6))
    expect(merged(columns(), series(0, 1, 2))).toEqual(columns(1, 2))
    expect(merged(columns(8, 9), series(0))).toEqual(columns(8, 9))
  })

  it('keeps its readings where the answer has means', () => {
    expect(merged(columns(70, 71, 72), series(60, 0, 60))).toEqual(columns(0, 60, 70, 71, 72))
    expect(merged(columns(50, 71), series(60, 0, 60))).toEqual(columns(0, 50, 71))
    expect(merged(columns(), series(60, 0, 60))).toEqual(columns(0, 60))
  })
})
