/** What the page knows of a game: how a position is written, and nothing of the rules. */
import type { ChessState } from '../../protocol'

export type Side = 'white' | 'black'
export type Piece = 'p' | 'n' | 'b' | 'r' | 'q' | 'k'

export type Game = ChessState

export interface Standing {
  piece: Piece
  side: Side
}

/** square → what stands there */
export function position(fen: string): Map<string, Standing> {
  const found = new Map<string, Standing>()
  fen.split(' ')[0]!.split('/').forEach((row, index) => {
    let file = 0
    for (const letter of row) {
      if (/\d/.test(letter)) file += Number(letter)
      else found.set(square(file++, 7 - index), { piece: letter.toLowerCase() as Piece, side: letter === letter.toLowerCase() ? 'black' : 'white' })
    }
  })
  return found
}

/** `file` and `rank` count from 0. */
export function square(file: number, rank: number): string {
  return String.fromCharCode(97 + file) + (rank + 1)
}

/** The squares as they are seen by a side, from the top left. */
export function squaresFor(side: Side): string[] {
  const squares = Array.from({ length: 64 }, (_, index) => square(index % 8, 7 - (index >> 3)))
  return side === 'white' ? squares : squares.reverse()
}

export function isDark(name: string): boolean {
  return (name.charCodeAt(0) - 97 + Number(name[1])) % 2 === 1
}

/** m:ss, and tenths in the last 20 seconds */
export function clockText(seconds: number): string {
  const left = Math.max(0, seconds)
  if (left < 20) return `0:${(Math.floor(left * 10) / 10).toFixed(1).padStart(4, '0')}`
  const whole = Math.ceil(left)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}
