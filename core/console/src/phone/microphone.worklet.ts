/** Runs in the sound thread: hands what the microphone hears to the page, as it comes. */

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

class Microphone extends AudioWorkletProcessor {
  process(inputs: Float32Array[][]): boolean {
    const voice = inputs[0]?.[0];
    if (voice && voice.length > 0) this.port.postMessage(voice.slice());
    return true;
  }
}

registerProcessor("ringtrip-microphone", Microphone);
