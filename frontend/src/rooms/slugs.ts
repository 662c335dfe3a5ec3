/**
 * A room's address as the server spells it: composed (NFC), and with its case folded.
 *
 * JavaScript has no case folding. Lower case after upper case is the same but for the dotless i, which stays, and
 * Cherokee, which folds to upper case; a letter at a time, since lower case knows a sigma at the end of a word.
 */
export function foldedSlug(slug: string): string {
  return [...slug.normalize('NFC')].map(foldedLetter).join('').normalize('NFC')
}

function foldedLetter(letter: string): string {
  if (letter === 'ı') return letter
  if (/\p{Script=Cherokee}/u.test(letter)) return letter.toUpperCase()
  return letter.toLowerCase().toUpperCase().toLowerCase()
}
