/** A short sound of two notes, made by the browser. */
const NOTES = [
  { hertz: 660, at: 0 },
  { hertz: 880, at: 0.11 },
] as const
const LOUDNESS = 0.16
const LENGTH_S = 0.28
/** A busy room is one sound, not twenty. */
const EVERY_MS = 1_500

let context: AudioContext | null = null
let last = -Infinity

/** Not before the person has done something in the page: until then browsers keep it silent. */
export async function play(): Promise<void> {
  if (performance.now() - last < EVERY_MS) return
  last = performance.now()
  try {
    context ??= new AudioContext()
    if (context.state === 'suspended') await context.resume()
    for (const { hertz, at } of NOTES) note(context, hertz, context.currentTime + at)
  } catch {
    // No device for sound.
  }
}

function note(on: AudioContext, hertz: number, at: number): void {
  const tone = new OscillatorNode(on, { type: 'sine', frequency: hertz })
  const volume = new GainNode(on, { gain: 0 })
  volume.gain.setValueAtTime(0, at)
  volume.gain.linearRampToValueAtTime(LOUDNESS, at + 0.012)
  volume.gain.exponentialRampToValueAtTime(0.0001, at + LENGTH_S)
  tone.connect(volume).connect(on.destination)
  tone.start(at)
  tone.stop(at + LENGTH_S)
}
