/** WAV files as telephones know them: 8000 samples a second, 16 bits, one channel. */

export const RATE = 8000;

/** The samples of such a file, between -1 and 1; none when it is something else. */
export function readWav(file: ArrayBuffer): Float32Array<ArrayBuffer> {
  const view = new DataView(file);
  const word = (at: number): string => String.fromCharCode(...new Uint8Array(file, at, 4));
  if (file.byteLength < 12 || word(0) !== "RIFF" || word(8) !== "WAVE") return new Float32Array(0);
  let at = 12;
  while (at + 8 <= file.byteLength) {
    const size = view.getUint32(at + 4, true);
    if (word(at) === "data") {
      const count = Math.floor(Math.min(size, file.byteLength - at - 8) / 2);
      const samples = new Float32Array(count);
      for (let n = 0; n < count; n += 1) samples[n] = view.getInt16(at + 8 + 2 * n, true) / 32768;
      return samples;
    }
    // Chunks are padded to even length.
    at += 8 + size + (size % 2);
  }
  return new Float32Array(0);
}

export function writeWav(samples: Float32Array): Blob {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const word = (at: number, text: string): void => [...text].forEach((c, n) => view.setUint8(at + n, c.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  word(8, "WAVE");
  word(12, "fmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((s, n) => view.setInt16(44 + 2 * n, Math.round(Math.max(-1, Math.min(1, s)) * 32767), true));
  return new Blob([view.buffer as ArrayBuffer], { type: "audio/wav" });
}

/**
 * Brings samples from a higher rate down to the telephone's, as they come. Each output sample is the mean of the input
 * that it covers, which keeps most of what is above 4 kHz from folding into the voice.
 */
export class Down {
  private sum = 0;
  private count = 0;
  private phase = 0;

  constructor(private readonly rate: number) {}

  take(input: Float32Array, out: number[]): void {
    for (const sample of input) {
      this.sum += sample;
      this.count += 1;
      this.phase += RATE;
      if (this.phase >= this.rate) {
        this.phase -= this.rate;
        out.push(this.sum / this.count);
        this.sum = 0;
        this.count = 0;
      }
    }
  }
}

/** Any sound file that the browser can read, as a telephone WAV file. */
export async function telephoneWav(file: Blob): Promise<Blob> {
  let sound: AudioBuffer;
  try {
    // The browser's own converter works at the rate of the context that it is asked by.
    sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error("This file holds no sound that the browser can read. A WAV or MP3 file will do.");
  }
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
    const data = sound.getChannelData(channel);
    for (let n = 0; n < mono.length; n += 1) mono[n] = (mono[n] ?? 0) + (data[n] ?? 0) / sound.numberOfChannels;
  }
  return writeWav(mono);
}
