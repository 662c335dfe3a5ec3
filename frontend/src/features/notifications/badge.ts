/** The number in the icon of the tab and, where the page is installed, on the icon of the app. */
import type { Unread } from '../../stores/attention'

const SIZE = 64
const MOST = 99
const BADGE = '#c23c1b'
const INK = '#ffffff'

const link = document.querySelector<HTMLLinkElement>('link[rel=icon]')
const plain = { href: link?.href ?? '', type: link?.type ?? '' }
let round = 0

export async function showBadge({ forMe, chatter }: Unread): Promise<void> {
  const mine = ++round
  void showOnApp(forMe)
  if (!link) return
  const drawn = forMe || chatter ? await withBadge(forMe) : null
  if (mine !== round) return
  link.type = drawn ? 'image/png' : plain.type
  link.href = drawn ?? plain.href
}

async function showOnApp(count: number): Promise<void> {
  try {
    if (count) await navigator.setAppBadge?.(count)
    else await navigator.clearAppBadge?.()
  } catch {
    // The page is not installed.
  }
}

/** The icon with a number, or with a dot for none, as an address of an image; null where it cannot be drawn. */
async function withBadge(count: number): Promise<string | null> {
  const icon = new Image(SIZE, SIZE)
  icon.src = plain.href
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = SIZE
  const paint = canvas.getContext('2d')
  try {
    await icon.decode()
  } catch {
    return null
  }
  if (!paint) return null
  paint.drawImage(icon, 0, 0, SIZE, SIZE)
  if (count) number(paint, count > MOST ? `${MOST}` : String(count))
  else dot(paint)
  return canvas.toDataURL('image/png')
}

function number(paint: CanvasRenderingContext2D, text: string): void {
  const height = 40
  const width = text.length > 1 ? 54 : height
  paint.fillStyle = BADGE
  paint.beginPath()
  paint.roundRect(SIZE - width, SIZE - height, width, height, height / 2)
  paint.fill()
  paint.fillStyle = INK
  paint.font = '700 34px system-ui, sans-serif'
  paint.textAlign = 'center'
  paint.textBaseline = 'middle'
  paint.fillText(text, SIZE - width / 2, SIZE - height / 2 + 2)
}

function dot(paint: CanvasRenderingContext2D): void {
  paint.fillStyle = BADGE
  paint.beginPath()
  paint.arc(SIZE - 13, SIZE - 13, 12, 0, 2 * Math.PI)
  paint.fill()
}
