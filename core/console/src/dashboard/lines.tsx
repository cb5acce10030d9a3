import type { JSX } from "preact";
import { useNow } from "../ui/hooks";
import { Empty, Lamplight, Party, Section } from "../ui/parts";
import type { Call, Extension, Line } from "../types";
import { duration, lineLamp, lineLabel, milliamps, volts } from "../labels";

interface Props {
  lines: Line[];
  extensions: Record<string, Extension>;
  calls: Record<string, Call>;
}

/** The jacks of all boards as a row of lamps: telephones first, then the landline. */
export function Lines({ lines, extensions, calls }: Props): JSX.Element {
  const now = useNow();
  const sorted = [...lines].sort((a, b) => b.kind.localeCompare(a.kind) || a.id.localeCompare(b.id, "en", { numeric: true }));
  return (
    <Section title="Lines">
      {sorted.length === 0 && <Empty>No line is configured: add <code>[line.fxs1]</code> in the configuration.</Empty>}
      <ul class="lamps">
        {sorted.map((line) => (
          <Jack key={line.id} line={line} now={now}
            name={line.extension === null ? null : (extensions[line.extension]?.name ?? null)}
            call={line.call === null ? null : (calls[line.call] ?? null)} />
        ))}
      </ul>
    </Section>
  );
}

interface JackProps {
  line: Line;
  name: string | null;
  call: Call | null;
  now: number;
}

function Jack({ line, name, call, now }: JackProps): JSX.Element {
  const who = line.kind === "fxo" ? "Landline" : line.extension === null ? "Telephone" : `${line.extension}${name ? ` · ${name}` : ""}`;
  return (
    <li class="jack" data-line={line.id} data-state={line.state}>
      <div class="jack-head">
        <Lamplight lamp={lineLamp(line.state)} />
        <strong>{line.id}</strong>
        <span class="faint">{line.kind.toUpperCase()} · {line.port}</span>
      </div>
      <p class="jack-who" title={who}>{who}</p>
      <p class="jack-state">
        <strong>{lineLabel(line.state)}</strong>
        {line.state !== "idle" && <span class="number"> {duration(now - line.since_micros / 1000)}</span>}
      </p>
      <p class="faint number">{volts(line.volts)} · {milliamps(line.milliamps)} · {hook(line)}</p>
      {line.fault !== null && <p class="jack-fault" role="alert">{line.fault}</p>}
      <p class="faint jack-last" title="The number of the last call over this line, and why it ended">
        {call !== null
          ? <><Party name={call.from} /> → <Party name={call.to ?? call.dialled} />{line.call_type !== null && ` · ${line.call_type}, ${line.pstn_state ?? ""}`}</>
          : `Last: ${[line.last_number, line.last_disconnect].filter(Boolean).join(" · ") || "–"}`}
      </p>
    </li>
  );
}

function hook(line: Line): string {
  if (line.kind === "fxo") return line.off_hook ? "seized" : "on hook";
  return line.off_hook ? "off hook" : "on hook";
}
