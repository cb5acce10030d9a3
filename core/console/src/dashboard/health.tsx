import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get } from "../api";
import { useLive, usePoll } from "../ui/hooks";
import { Empty, Lamplight, Section } from "../ui/parts";
import type { Board, Part, Snapshot, System } from "../types";
import { clock, duration, isAlarm, describe } from "../labels";

/** Boards, components, alarms and the event log. */
export function Health({ state }: { state: Snapshot }): JSX.Element {
  const [system, setSystem] = useState<System | null>(null);
  usePoll(async () => setSystem(await get<System>("/system").catch(() => null)), 10_000);
  const parts = Object.values(state.parts);
  const fallen = parts.filter((part) => !part.up || part.generation > 1);
  return (
    <div class="columns">
      <Section title="Health" aside={system && <span class="faint">Ringtrip {system.version}</span>}>
        <ul class="list">
          {Object.values(state.boards).map((board) => <BoardRow key={board.id} board={board} />)}
          {fallen.map((part) => <PartRow key={part.name} part={part} />)}
          <li>
            <div class="list-head">
              <Lamplight lamp={parts.every((p) => p.up) ? "dark" : "fault"} />
              <strong>Components</strong> {parts.filter((p) => p.up).length} of {parts.length} running
            </div>
            {state.script.name !== "" && <p class="faint">Script {state.script.name} ({state.script.hash.slice(0, 8)})</p>}
            {state.script.refused !== null && <p class="note note-bad">The newest script was rejected; the previous one stays active: {state.script.refused}</p>}
          </li>
          {system && <SystemRow system={system} />}
        </ul>
      </Section>
      <Log />
    </div>
  );
}

function BoardRow({ board }: { board: Board }): JSX.Element {
  const count = (kind: string): number => board.ports.filter((port) => port === kind).length;
  return (
    <li data-board={board.id}>
      <div class="list-head">
        <Lamplight lamp={board.up ? "dark" : "fault"} />
        <strong>Board {board.id}</strong>
        <span class={`tag ${board.up ? "tag-good" : "tag-bad"}`}>{board.up ? "Up" : "Down"}</span>
      </div>
      <p class="faint">
        {board.driver}; {count("fxs")} FXS, {count("fxo")} FXO; {board.pid === null ? "no process" : `process ${board.pid}`}
        {board.generation > 1 && `; started ${board.generation} times`}
      </p>
      {board.why !== null && board.why !== "" && <p class="faint">{board.why}</p>}
    </li>
  );
}

function PartRow({ part }: { part: Part }): JSX.Element {
  return (
    <li>
      <div class="list-head">
        <Lamplight lamp={part.up ? "wink" : "fault"} />
        <strong>{part.name}</strong> {part.up ? `restarted, started ${part.generation} times` : "is down"}
      </div>
      {part.why !== null && <p class="faint">{part.why}</p>}
    </li>
  );
}

function SystemRow({ system }: { system: System }): JSX.Element {
  return (
    <li>
      <div class="list-head"><Lamplight lamp={system.cdrs_waiting > 0 ? "fault" : "dark"} /><strong>Machine</strong></div>
      <p class="faint">
        Up {duration(system.uptime_s * 1000)}, {Math.round(system.resident_octets / 1e6)} MB, configuration version {system.config_version}
        {system.developer && "; developer mode"}
      </p>
      {system.cdrs_waiting > 0 && <p class="note note-bad">Call records cannot be written to disk; {system.cdrs_waiting} are waiting in memory.</p>}
    </li>
  );
}

function Log(): JSX.Element {
  const { log } = useLive();
  const [only, setOnly] = useState(false);
  const shown = only ? log.filter(isAlarm) : log;
  return (
    <Section title="Events" aside={(
      <label class="check"><input type="checkbox" checked={only} onChange={(e) => setOnly(e.currentTarget.checked)} /> Alarms only</label>
    )}>
      {shown.length === 0 && <Empty>{only ? "No alarm." : "Nothing yet."}</Empty>}
      <ol class="log" tabIndex={0} aria-label="Events, newest first">
        {shown.map((h) => (
          <li key={h.seq} class={isAlarm(h) ? "alarm" : ""}>
            <time class="faint number">{clock(h.at_micros)}</time> <span>{describe(h)}</span>
          </li>
        ))}
      </ol>
    </Section>
  );
}
