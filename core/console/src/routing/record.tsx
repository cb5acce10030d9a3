import type { JSX } from "preact";
import type { Cdr, Figures } from "../types";
import { ms } from "../labels";

/** All of a call record: numbers, who decided, and what both ends measured. */
export function Details({ cdr }: { cdr: Cdr }): JSX.Element {
  const caller = cdr.caller.private ? "withheld" : [cdr.caller.name, cdr.caller.number].filter((s) => s !== "").join(" ") || "nobody";
  const waited = cdr.answered_after_us === null ? "never" : `after ${(cdr.answered_after_us / 1e6).toFixed(1)} s`;
  const facts: [name: string, value: string | null, as: "text" | "code"][] = [
    ["Call", cdr.call, "code"],
    ["Caller shown as", caller, "text"],
    ["Number sent", cdr.sent, "code"],
    ["Answered", waited, "text"],
    ["Because", cdr.provenance.because, "text"],
    ["Plan alternative", cdr.provenance.alternative, "code"],
    ["Script", cdr.provenance.script, "code"],
  ];
  return (
    <div class="columns">
      <dl class="facts">
        {facts.filter(([, value]) => value).map(([name, value, as]) => (
          <div key={name}><dt>{name}</dt><dd class={as === "code" ? "number" : ""}>{value}</dd></div>
        ))}
      </dl>
      {(cdr.a || cdr.b) && (
        <table class="figures">
          <thead><tr><th>Sound</th><th class="right">Caller's end</th><th class="right">Called end</th></tr></thead>
          <tbody>{FIGURES.map(([name, show]) => (
            <tr key={name}><th scope="row">{name}</th><td class="right number">{cdr.a ? show(cdr.a) : "–"}</td><td class="right number">{cdr.b ? show(cdr.b) : "–"}</td></tr>
          ))}</tbody>
        </table>
      )}
    </div>
  );
}

const FIGURES: [string, (f: Figures) => string][] = [
  ["Received", (f) => String(f.received)],
  ["Sent", (f) => String(f.sent)],
  ["Lost", (f) => String(f.lost)],
  ["Refused", (f) => String(f.refused)],
  ["Jitter", (f) => ms(f.jitter_ms)],
  ["Round trip", (f) => ms(f.round_trip_ms)],
  ["Loss at the peer", (f) => (f.far_loss_percent === null ? "–" : `${f.far_loss_percent.toFixed(1)} %`)],
];
