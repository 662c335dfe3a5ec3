/** Columns of charts, and the programs that a new device is shown with. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { append, type Columns } from '../../src/features/sensors/data'
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
