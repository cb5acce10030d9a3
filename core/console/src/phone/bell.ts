/** A bell with two gongs and a clapper that follows the ringing current. */

import { allowed } from "./playback";

export class Bell {
  private stops: (() => void) | null = null;

  /** Sounds or rests. Silent until the person has allowed sound with a first click or key. */
  sound(on: boolean, hz: number): void {
    if (!on) {
      this.stops?.();
      this.stops = null;
      return;
    }
    if (this.stops !== null) return;
    const out = allowed();
    if (!out) return;
    const master = out.createGain();
    master.gain.value = 0.05;
    master.connect(out.destination);
    const clapper = out.createOscillator();
    clapper.type = "square";
    clapper.frequency.value = hz > 0 ? hz : 20;
    const sources: OscillatorNode[] = [clapper];
    // The gongs are struck by turns: one when the clapper is here, the other when it is there.
    [[1210, 1], [1530, -1]].forEach(([pitch, side]) => {
      const gong = out.createOscillator();
      const struck = out.createGain();
      const swing = out.createGain();
      gong.type = "triangle";
      gong.frequency.value = pitch ?? 1210;
      struck.gain.value = 0.5;
      swing.gain.value = 0.5 * (side ?? 1);
      clapper.connect(swing).connect(struck.gain);
      gong.connect(struck).connect(master);
      sources.push(gong);
    });
    sources.forEach((s) => s.start());
    this.stops = () => {
      const end = out.currentTime;
      master.gain.setTargetAtTime(0, end, 0.12);
      sources.forEach((s) => s.stop(end + 0.8));
    };
  }
}
