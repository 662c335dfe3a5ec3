/** Programs that push a reading, ready to run: of the room's address and a device's token. */
import python from './device.py?raw'

/** their placeholders in the documentation's example */
const ROOM = 'https://chat.example.org/api/rooms/greenhouse'
const TOKEN = 'os.environ["TOKEN"]'

function address(room: string): string {
  return `${location.origin}/api/rooms/${encodeURIComponent(room)}`
}

export function curlExample(room: string, token: string): string {
  return [
    `curl -H "Authorization: Token ${token}" -H "Content-Type: application/json" \\`,
    `  -d '{"readings": [{"sensor_id": "t1", "value": 21.5}]}' \\`,
    `  ${address(room)}/sensors/readings`,
  ].join('\n')
}

export function pythonExample(room: string, token: string): string {
  return python.replace(ROOM, address(room)).replace(TOKEN, JSON.stringify(token)).trimEnd()
}
