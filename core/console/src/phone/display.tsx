import type { JSX } from "preact";
import type { Display as Message } from "./sim";

interface Props {
  /** Messages that the telephone decoded from the sound on the line, oldest first. */
  messages: Message[];
  pressed: string;
  ringing: boolean;
  bursts: number;
}

/** The little window of the telephone: what was dialled, or who calls. */
export function Display({ messages, pressed, ringing, bursts }: Props): JSX.Element {
  const last = messages.at(-1);
  return (
    <div class="display" role="status" data-display={last ? caller(last) : ""}>
      <span class="display-big">{pressed !== "" ? pressed : ringing ? `Ringing${bursts > 1 ? ` (${bursts})` : ""}` : " "}</span>
      <span class="display-small">{last ? `${ringing ? "Caller" : "Last caller"}: ${caller(last)}` : "No caller ID yet"}</span>
    </div>
  );
}

function caller(m: Message): string {
  if (m.damaged) return "damaged on the line";
  if (m.message_waiting !== undefined) return m.message_waiting ? "message waiting" : "no message waiting";
  const who = m.private ? "withheld" : [m.name, m.number].filter((s) => s !== undefined && s !== "").join(" ") || "not available";
  return m.when ? `${who} (${m.when})` : who;
}
