import { describe, expect, it } from 'vitest'
import { clockText, isDark, position, squaresFor } from '../../src/features/chess/game'

describe('a board', () => {
  it('has the squares of either side from the top left', () => {
    expect(squaresFor('white').slice(0, 2)).toEqual(['a8', 'b8'])
    expect(squaresFor('black').slice(0, 2)).toEqual(['h1', 'g1'])
    expect(['a1', 'h8', 'e4', 'd5'].map((one) => isDark(one))).toEqual([true, true, false, false])
  })

  it('reads where the pieces stand', () => {
    const found = position('rnbqkbnr/pppp1ppp/8/4p3/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 2')
    expect(found.size).toBe(32)
    expect(found.get('e5')).toEqual({ piece: 'p', side: 'black' })
    expect(found.get('d1')).toEqual({ piece: 'q', side: 'white' })
    expect(found.has('e7')).toBe(false)
  })

  it.each([[300, '5:00'], [299.1, '5:00'], [61, '1:01'], [19.96, '0:19.9'], [4.2, '0:04.2'], [-1, '0:00.0']])('shows %d s as %s', (seconds, text) => {
    expect(clockText(seconds)).toBe(text)
  })
})
